"""Differences to a baseline, with their intervals."""

from collections.abc import Sequence

from pipeline.report.display_names import covered, scored_title
from pipeline.report.page.charts.encodings import WIDTH, by_arm, number
from pipeline.report.page.figures import Figure
from pipeline.report.tables import Line


def forest(lines: Sequence[Line], arms: Sequence[str], confidence: float) -> Figure | None:
    """A forest plot of the differences to the baseline in every task; None if there are none."""
    values = [
        {
            "task": scored_title(line),
            "arm": line["arm"],
            "difference": 100 * line["difference"],
            "low": None if line["difference_ci_low"] is None else 100 * line["difference_ci_low"],
            "high": None if line["difference_ci_high"] is None else 100 * line["difference_ci_high"],
            "baseline": line["baseline"],
        }
        for line in lines
        if line["difference"] is not None
    ]
    if not values:
        return None
    order = list(dict.fromkeys(value["task"] for value in values))
    y = {"field": "task", "type": "nominal", "sort": order, "title": None}
    offset = {"field": "arm", "type": "nominal", "sort": list(arms)}
    x = {"type": "quantitative", "title": "difference (percentage points)"}
    common = {"y": y, "yOffset": offset, "color": by_arm(arms, values)}
    tip = [{"field": name} for name in ("task", "arm", "baseline")]
    tip += [number(name) for name in ("difference", "low", "high")]
    spec = {
        "data": {"values": values},
        "width": WIDTH - 180,
        "height": {"step": 16},
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [3, 3], "aria": False},
                "encoding": {"x": {"datum": 0, **x}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    **common, "x": {"field": "low", **x}, "x2": {"field": "high"}, "tooltip": tip,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": {**common, "x": {"field": "difference", **x}, "tooltip": tip},
            },
        ],
    }  # fmt: skip
    told = "; ".join(f"{v['arm']} {v['task']} {v['difference']:+.1f}" for v in values[:40])
    return Figure(
        "differences",
        "Each pretraining minus what it is compared with, in points of its task's headline metric, "
        f"and the {100 * confidence:g} % interval over {covered(lines)}. Right of the line is more.",
        f"Differences in percentage points: {told}",
        spec,
    )
