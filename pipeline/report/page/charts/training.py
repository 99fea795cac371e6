"""Training curves of pretrainings."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pipeline.report.page.charts.encodings import AS_IT_IS, by_arm
from pipeline.report.page.figures import Figure
from pipeline.report.page.training_logs import TrainingLog

_LOSSES = "loss"
_WARNING = "#d1495b"
# Metrics shown after the losses, in this order; those that a method does not log are left out.
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


_MEANINGS = {
    "loss": "What is minimised, the sum of its terms; arms with other terms have other sums.",
    "loss base cls": "The student's base predicts the teacher (of the head, if any) of another view.",
    "loss base patch": "The student predicts the teacher's patches that it does not see.",
    "loss auxiliary cls": "The student's auxiliary head predicts the same teacher.",
    "teacher entropy (nats)": "How spread the teacher's distribution over prototypes is for one image.",
    "prototype entropy (nats)": "The same of the mean over a batch; 0: every image falls to one prototype.",
    "feature spread": "0: all images have one vector; 1: they are spread evenly over the sphere.",
    "share that finds its other view": "Of the images of a batch, by their vectors.",
    "1 - CKA of base and head": "How different patch features of base and auxiliary head are; 0: alike.",
    "1 - cosine of base and head": "How far their global vectors point apart, on held-out images.",
    "KL of head and base (nats)": "How far their distributions over prototypes differ.",
    "monitor: RankMe": "How many directions the global vectors fill.",
    "monitor: alignment": "Mean squared distance of two views of an image.",
    "monitor: uniformity": "0: all vectors in one place; the lower, the more evenly spread.",
}


def terms(logs: Iterable[TrainingLog]) -> dict[str, str]:
    """Title -> explanation of the curves that are drawn."""
    titles = _titles({key for log in logs for line in log.lines for key in line})
    return {title: _MEANINGS[title] for title in titles.values() if title in _MEANINGS}


def _titles(keys: Collection[str]) -> dict[str, str]:
    """Logged key -> title, in the order of the charts."""
    titles = {key: key.replace("_", " ") for key in sorted(keys) if key.startswith(_LOSSES)}
    return titles | {key: title for key, title in _CURVES.items() if key in keys}


def training_curves(
    logs: Mapping[str, list[dict[str, float]]],
    arms: Sequence[str],
    warnings: Mapping[str, Mapping[int, str]] | None = None,
) -> Figure | None:
    """Curves of all logged metrics, arms overlaid, with marks at warnings; None without values.

    Args:
        logs: "<arm> seed <s>" -> lines of metrics.jsonl to draw.
        warnings: "<arm> seed <s>" -> step -> warning.
    """
    warnings = warnings or {}
    keys = {key for lines in logs.values() for line in lines for key in line}
    titles = _titles(keys)
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
    curves = {
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
        # Aligns the columns whatever the widths of their axis labels.
        "bounds": "flush",
        "spacing": {"column": 48, "row": 44},
        "resolve": {"scale": {"y": "independent"}},
        "spec": {"width": 175, "height": 110, "layer": [curves, marks] if has_warned else [curves]},
    }
    last = {run: lines[-1].get("loss") for run, lines in logs.items() if lines}
    told = ", ".join(f"{run} ends at loss {value:.3g}" for run, value in last.items() if value is not None)
    caption = "Loss terms and measures over the steps of pretraining."
    for run, of in warnings.items():
        texts = dict.fromkeys(text.partition(":")[0] for text in of.values())
        if of:
            where = f"step {min(of)}" if len(of) == 1 else f"{len(of)} steps, {min(of)} to {max(of)}"
            caption += f" {run} warned at {where} ({', '.join(texts)}): triangles."
    return Figure("training", caption, f"Training curves: {told}. {caption}", spec)
