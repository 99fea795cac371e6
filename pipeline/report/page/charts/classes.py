"""Figures of classes: scores, confusions, and frequencies."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.report.display_names import task_title
from pipeline.report.page.charts.encodings import WIDTH, by_arm, number
from pipeline.report.page.figures import Figure

_MEASURES = {"iou": "IoU", "box_ap": "box AP", "ap": "AP"}  # usual spelling
_MOST_CLASSES = 60  # per figure, to keep it readable
_MOST_INTERVALS = 240  # per figure: with more, intervals are left out and runs share a row


def per_class(
    task: str, measure: str, values: list[dict[str, Any]], arms: Sequence[str], confidence: float
) -> Figure | None:
    """A value for each class and run, with intervals if they fit; None without values.

    Of many classes, those with the lowest mean over the runs are shown.

    Args:
        values: each with class, arm and run, and in percent the measure under its name, low and high; the
            last two may be None.
    """
    if not values:
        return None
    every = list(dict.fromkeys(value["class"] for value in values))
    if len(every) > _MOST_CLASSES:
        kept = _lowest(values, measure)
        values = [value for value in values if value["class"] in kept]
    order = list(dict.fromkeys(value["class"] for value in values))
    runs = list(dict.fromkeys(value["run"] for value in values))
    known = [value for value in values if value["low"] is not None]
    apart = bool(known) and len(order) * len(runs) <= _MOST_INTERVALS
    called = _MEASURES.get(measure, measure)
    x = {"type": "quantitative", "title": f"{called} (%)"}
    common = {
        "y": {"field": "class", "type": "nominal", "sort": order, "title": None, "axis": {"grid": True}},
        "color": by_arm(arms, values),
        "tooltip": [{"field": "class"}, {"field": "run"}, *map(number, (measure, "low", "high"))],
    }
    if apart:
        common["yOffset"] = {"field": "run", "type": "nominal", "sort": runs}
    rule = {
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "transform": [{"filter": "isValid(datum.low)"}],
        "encoding": {**common, "x": {"field": "low", **x}, "x2": {"field": "high"}},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 30 if apart else 45, "opacity": 0.9},
        "encoding": {**common, "x": {"field": measure, **x}},
    }
    spec = {
        "data": {"values": values},
        "width": WIDTH - 180,
        "height": {"step": 7 if apart else 16},
        "layer": [rule, points] if apart else [points],
    }
    worst = min(values, key=lambda value: value[measure])
    told = f"lowest: {worst['class']} with {worst[measure]:.1f} % ({worst['run']})"
    caption = f"{task_title(task)}: {called} of each class"
    if apart:
        caption += f", with its {100 * confidence:g} % interval over test images"
    if len(order) < len(every):
        caption += f"; the {len(order)} of {len(every)} classes with the lowest mean over the runs"
    return Figure(f"classes-{task}", f"{caption}.", f"{called} per class of {task}; {told}", spec)


def _lowest(values: list[dict[str, Any]], measure: str) -> set[str]:
    """The classes with the lowest mean over the runs."""
    found: dict[str, list[float]] = {}
    for value in values:
        found.setdefault(value["class"], []).append(value[measure])
    return {*sorted(found, key=lambda name: sum(found[name]) / len(found[name]))[:_MOST_CLASSES]}


def confusion(
    task: str, run: str, names: Sequence[str], counts: np.ndarray, totals: np.ndarray, num_classes: int
) -> Figure:
    """A confusion matrix, normalised by the number of images of each true class.

    Args:
        counts: (K, K), rows are the truth.
        totals: (K,), images of each true class.
        num_classes: of the data set; K of them are shown.
    """
    shares = 100 * counts / np.maximum(totals[:, None], 1)
    values = [
        {
            "truth": names[i],
            "predicted": names[j],
            "%": round(float(shares[i, j]), 2),
            "count": int(counts[i, j]),
        }
        for i, j in np.ndindex(*counts.shape)
    ]
    side = max(7, min(24, 420 // max(1, len(names))))
    axis = {"type": "nominal", "sort": list(names)}
    spec = {
        "data": {"values": values},
        "width": {"step": side},
        "height": {"step": side},
        "mark": "rect",
        "encoding": {
            "y": {"field": "truth", "title": "true class", **axis},
            "x": {"field": "predicted", "title": "predicted class", **axis},
            "color": {
                "field": "%",
                "type": "quantitative",
                "scale": {"scheme": "blues", "domain": [0, 100]},
                "title": "% of the class",
            },
            "tooltip": [{"field": "truth"}, {"field": "predicted"}, {"field": "%"}, {"field": "count"}],
        },
    }
    wrong = counts - np.diag(np.diag(counts))
    i, j = np.unravel_index(int(wrong.argmax()), wrong.shape)
    told = f"most frequent confusion: {names[i]} as {names[j]}, {int(wrong[i, j])} times"
    caption = f"{task_title(task)}, {run}: which class is predicted for which."
    if len(names) < num_classes:
        caption += f" Of {num_classes} classes, the {len(names)} of the most frequent confusions."
    return Figure(f"confusion-{task}-{run}", caption, told, spec)


def class_balance(values: list[dict[str, Any]], unit: str) -> Figure | None:
    """The frequency of each class in each split; None without values.

    Args:
        values: each with class, split and count.
        unit: of the counts, such as "images of flowers".
    """
    if not values:
        return None
    order = list(dict.fromkeys(value["class"] for value in values))
    splits = ["train", "val", "test"]
    spec = {
        "data": {"values": [value | {"place": splits.index(value["split"])} for value in values]},
        "width": WIDTH - 180,
        "height": {"step": 16},
        "mark": "bar",
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": order, "title": None},
            "x": {"field": "count", "type": "quantitative", "title": unit},
            "color": {"field": "split", "type": "nominal", "sort": splits, "title": None},
            "order": {"field": "place"},  # stacked in the legend's order
            "tooltip": [{"field": "class"}, {"field": "split"}, {"field": "count"}],
        },
    }
    total: dict[str, int] = {}
    for value in values:
        total[value["class"]] = total.get(value["class"], 0) + value["count"]
    rarest = min(total, key=total.get)
    told = f"{len(order)} classes; rarest: {rarest} with {total[rarest]} {unit}"
    return Figure(f"balance-{unit}", f"Class balance: {unit} of each class and split.", told, spec)
