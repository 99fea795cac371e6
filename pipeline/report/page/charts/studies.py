"""Gain of auxiliary heads over their discrepancy."""

from typing import Any

from pipeline.report.display_names import task_title
from pipeline.report.page.charts.encodings import WIDTH, number
from pipeline.report.page.figures import ARM_COLORS, Figure


def gains(study: str, probe: str, values: list[dict[str, Any]], confidence: float) -> Figure | None:
    """Gain of each auxiliary head over the baseline, against its discrepancy; None without values.

    Args:
        values: each with head, "1 - CKA", and gain, low and high in percentage points; the last two may be
            None.
    """
    if not values:
        return None
    x = {
        "field": "1 - CKA",
        "type": "quantitative",
        "title": "discrepancy of base and head (1 - CKA)",
        "scale": {"zero": False, "padding": 30},
        "axis": {"tickCount": 5},
    }
    y = {"type": "quantitative", "title": "gain (percentage points)"}
    tip = [{"field": "head"}, {**x, "format": ".3f"}, *map(number, ("gain", "low", "high"))]
    tip[1] = {name: tip[1][name] for name in ("field", "type", "format")}
    mark = {"color": ARM_COLORS[1]}
    spec = {
        "data": {"values": values},
        "width": WIDTH - 60,
        "height": 240,
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [3, 3], "aria": False},
                "encoding": {"y": {"datum": 0, **y}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, **mark},
                "transform": [{"filter": "isValid(datum.low)"}],
                "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "tooltip": tip},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1, **mark},
                "encoding": {"x": x, "y": {"field": "gain", **y}, "tooltip": tip},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 7, "aria": False},
                "encoding": {"x": x, "y": {"field": "gain", **y}, "text": {"field": "head"}},
            },
        ],
    }  # fmt: skip
    told = "; ".join(f"{v['head']} {v['gain']:+.1f} at {v['1 - CKA']:.2f}" for v in values[:40])
    caption = (
        f"What each head gains over the baseline in {task_title(probe)}, over its discrepancy "
        f"({study}), "
        f"with the {100 * confidence:g} % interval over test images."
    )
    return Figure(f"{study}-{probe}-gains", caption, f"{caption} {told}", spec)
