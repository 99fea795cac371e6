"""Scores of probes over a hyper-parameter, and precision-recall curves."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

import numpy as np

from pipeline.report.page.charts.encodings import AS_IT_IS, WIDTH, by_arm, number
from pipeline.report.page.figures import Figure

_MOST_TICKS = 8


def sweep(
    name: str, caption: str, values: list[dict[str, Any]], arms: Sequence[str], *, x: str, log: bool
) -> Figure | None:
    """A score over a hyper-parameter or another varied quantity; None without values.

    Args:
        values: each with arm, run, the quantity `x`, and the score under its name, in percent.
    """
    if not values:
        return None
    score = next(name for name in values[0] if name not in ("arm", "run", x))
    scale = {"type": "log" if log else "linear", "nice": False}
    spec = {
        "data": {"values": values},
        "width": WIDTH - 60,
        "height": 220,
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "scale": scale, "axis": _ticks(values, x, log=log)},
            "y": {
                "field": score,
                "type": "quantitative",
                "scale": {"zero": False},
                "axis": AS_IT_IS,
            },
            "color": by_arm(arms, values),
            "detail": {"field": "run"},
            "tooltip": [{"field": "run"}, {"field": x}, number(score)],
        },
    }  # fmt: skip
    best: dict[str, float] = {}
    for value in values:
        best[value["run"]] = max(best.get(value["run"], 0.0), value[score])
    told = ", ".join(f"{run} at most {value:.1f} %" for run, value in best.items())
    return Figure(name, caption, f"{caption} {told}.", spec)


def _ticks(values: list[dict[str, Any]], x: str, *, log: bool) -> dict[str, Any]:
    """Ticks at each value if they are few, else at powers of ten, as a log axis has too many between."""
    found = sorted({value[x] for value in values})
    if len(found) <= _MOST_TICKS:
        return AS_IT_IS | {"values": found, "labelOverlap": True}
    if not log:
        return AS_IT_IS
    powers = range(floor(log10(found[0])), ceil(log10(found[-1])) + 1)
    return AS_IT_IS | {"values": [10.0**power for power in powers], "labelOverlap": True}


def precision_recall(
    task: str, kind: str, values: list[dict[str, Any]], arms: Sequence[str]
) -> Figure | None:
    """Precision over recall at each IoU, averaged over classes; None without values.

    Args:
        kind: "box" or "mask".
        values: each with arm, run, IoU, recall and precision (fractions).
    """
    if not values:
        return None
    percent = {"scale": {"domain": [0, 100]}, "type": "quantitative"}
    spec = {
        "data": {
            "values": [
                value
                | {name: round(100 * value[name], 2) for name in ("recall", "precision")}
                | {"IoU": f"IoU {value['IoU']}"}
                for value in values
            ]
        },
        "facet": {"field": "IoU", "type": "nominal", "title": None},
        "columns": 2,
        "spec": {
            "width": 260,
            "height": 200,
            "mark": "line",
            "encoding": {
                "x": {"field": "recall", "title": "recall (%)", **percent},
                "y": {"field": "precision", "title": "precision (%)", **percent},
                "color": by_arm(arms, values),
                "detail": {"field": "run"},
                "order": {"field": "recall"},
                "tooltip": [{"field": "run"}, number("recall"), number("precision")],
            },
        },
    }
    shapes = "boxes" if kind == "box" else "masks"
    caption = f"{task}: precision over recall of {shapes}, a mean over classes."
    areas: dict[str, list[float]] = {}
    for value in values:
        areas.setdefault(f"{value['run']} at IoU {value['IoU']}", []).append(value["precision"])
    told = ", ".join(f"{run}: area {100 * np.mean(of):.1f} %" for run, of in areas.items())
    return Figure(f"precision-recall-{task}-{kind}", caption, f"{caption} {told}.", spec)
