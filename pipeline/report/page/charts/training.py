"""What pretrainings logged."""

from collections.abc import Mapping, Sequence

from pipeline.report.page.charts.encodings import AS_IT_IS, by_arm
from pipeline.report.page.figures import Figure

_LOSSES = "loss"
_WARNING = "#d1495b"
# Beside the losses, in this order; what a method does not log is left out.
_CURVES = {
    "teacher_entropy": "teacher entropy (nats)",
    "prototype_entropy": "prototype entropy (nats)",
    "feature_spread": "feature spread",
    "retrieval": "share that finds its other view",
    "discrepancy_cka": "1 - CKA of base and head",
    "discrepancy_cosine": "1 - cosine of base and head",
    "discrepancy_kl": "KL of head and base (nats)",
    "monitor_knn_top1": "monitor: k-NN top-1",
    "monitor_rankme": "monitor: RankMe",
    "monitor_alignment": "monitor: alignment",
    "monitor_uniformity": "monitor: uniformity",
    "monitor_cka": "monitor: 1 - CKA",
    "monitor_teacher_entropy": "monitor: teacher entropy (nats)",
    "lr": "learning rate",
    "images_per_second": "images per second",
}


def training_curves(
    logs: Mapping[str, list[dict[str, float]]],
    arms: Sequence[str],
    warnings: Mapping[str, Mapping[int, str]] | None = None,
) -> Figure | None:
    """What each pretraining logged, arms overlaid, with the points where it warned.

    Args:
        logs: lines of metrics.jsonl, as many as are to be drawn, by "<arm> seed <s>".
        warnings: step -> what it warned of, likewise.
    """
    warnings = warnings or {}
    keys = {key for lines in logs.values() for line in lines for key in line}
    titles = {key: key.replace("_", " ") for key in sorted(keys) if key.startswith(_LOSSES)}
    titles |= {key: title for key, title in _CURVES.items() if key in keys}
    values = [
        {
            "run": run,
            "arm": run.partition(" ")[0],
            "step": line["step"],
            "value": float(f"{line[key]:.5g}"),
            "of": title,
        }
        | ({"warned": text} if (text := warnings.get(run, {}).get(line["step"])) else {})
        for key, title in titles.items()
        for run, lines in logs.items()
        for line in lines
        if key in line
    ]
    if not values:
        return None
    x = {"field": "step", "type": "quantitative", "title": "step"}
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False},
        "axis": AS_IT_IS,
    }
    tip = [{"field": "run"}, {"field": "step"}, {"field": "value", "type": "quantitative", "format": ".4g"}]
    courses = {
        "mark": {"type": "line", "point": len(values) < 300},
        "encoding": {
            "x": x,
            "y": y,
            "color": by_arm(arms, values),
            "detail": {"field": "run"},
            "tooltip": tip,
        },
    }
    marks = {
        "mark": {"type": "point", "shape": "triangle-up", "filled": True, "size": 60, "color": _WARNING},
        "transform": [{"filter": "isValid(datum.warned)"}],
        "encoding": {"x": x, "y": y, "tooltip": [*tip, {"field": "warned"}]},
    }
    has_warned = any("warned" in value for value in values)
    spec = {
        "data": {"values": values},
        "facet": {"field": "of", "type": "nominal", "sort": list(titles.values()), "title": None},
        "columns": 3,
        "resolve": {"scale": {"y": "independent"}},
        "spec": {"width": 175, "height": 110, "layer": [courses, marks] if has_warned else [courses]},
    }
    last = {run: lines[-1].get("loss") for run, lines in logs.items() if lines}
    told = ", ".join(f"{run} ends at loss {value:.3g}" for run, value in last.items() if value is not None)
    words = "What every pretraining logged."
    for run, of in warnings.items():
        texts = dict.fromkeys(text.partition(":")[0] for text in of.values())
        if of:
            where = f"step {min(of)}" if len(of) == 1 else f"{len(of)} steps, {min(of)} to {max(of)}"
            words += f" {run} warned at {where} ({', '.join(texts)}): triangles."
    return Figure("training", words, f"Training curves: {told}. {words}", spec)
