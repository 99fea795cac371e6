"""Values -> Vega-Lite specifications. Fractions come in, percent goes out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.report.line_words import covered, task_name
from pipeline.report.page.figures import ARM_COLORS, Figure, Spec
from pipeline.report.tables import Line

_WIDTH = 620
_AS_IT_IS = {"format": ".5~r"}  # of an axis; the default rounds the only tick of constant values, 0.125 to 0
_MOST_INTERVALS = 240  # of a figure of classes: with more it would be taller than anybody scrolls
_LOSSES = "loss"
_WARNING = "#d1495b"
_MOST_WARNINGS = 50  # of a curve
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


def _by_arm(arms: Sequence[str], values: Sequence[Mapping[str, Any]]) -> Spec:
    """Colour by arm, the same in every figure; the legend names the arms that a figure shows."""
    colours = {arm: ARM_COLORS[i % len(ARM_COLORS)] for i, arm in enumerate(arms)}
    shown = {value["arm"] for value in values}
    domain = [arm for arm in arms if arm in shown]
    scale = {"domain": domain, "range": [colours[arm] for arm in domain]}
    return {"field": "arm", "type": "nominal", "scale": scale, "title": None}


def forest(lines: Sequence[Line], arms: Sequence[str], confidence: float) -> Figure | None:
    """Differences to the baseline of every task, with their intervals; None where there are none."""
    values = [
        {
            "task": f"{task_name(line)} {line['metric']}",
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
    common = {"y": y, "yOffset": offset, "color": _by_arm(arms, values)}
    tip = [{"field": name} for name in ("task", "arm", "baseline")]
    tip += [_number(name) for name in ("difference", "low", "high")]
    spec = {
        "data": {"values": values},
        "width": _WIDTH - 180,
        "height": {"step": 11},
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
        "Each arm, floors left out, minus what it is compared with, in its task's headline metric, and the "
        f"{100 * confidence:g} % interval over {covered(lines)}. Right of the dashed line is more.",
        f"Differences in percentage points: {told}",
        spec,
    )


def _number(field: str) -> Spec:
    """In a tooltip."""
    return {"field": field, "type": "quantitative", "format": ".1f"}


def training_curves(
    logs: Mapping[str, list[dict[str, float]]],
    arms: Sequence[str],
    warnings: Mapping[str, Mapping[int, str]] | None = None,
) -> Figure | None:
    """What each pretraining logged, arms overlaid, with the points where it warned.

    Args:
        logs: lines of metrics.jsonl by "<arm> seed <s>".
        warnings: step -> what it warned of, likewise.
    """
    warnings = warnings or {}
    keys = {key for lines in logs.values() for line in lines for key in line}
    titles = {key: key.replace("_", " ") for key in sorted(keys) if key.startswith(_LOSSES)}
    titles |= {key: title for key, title in _CURVES.items() if key in keys}
    values = [
        {"run": run, "arm": run.partition(" ")[0], "step": line["step"], "value": line[key], "of": title}
        | ({"warned": text} if (text := warnings.get(run, {}).get(line["step"])) else {})
        for key, title in titles.items()
        for run, lines in logs.items()
        for line in _shown_lines([line for line in lines if key in line], warnings.get(run, {}))
    ]
    if not values:
        return None
    x = {"field": "step", "type": "quantitative", "title": "step"}
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False},
        "axis": _AS_IT_IS,
    }
    tip = [{"field": "run"}, {"field": "step"}, {"field": "value", "type": "quantitative", "format": ".4g"}]
    courses = {
        "mark": {"type": "line", "point": len(values) < 300},
        "encoding": {
            "x": x,
            "y": y,
            "color": _by_arm(arms, values),
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


def _shown_lines(lines: list[dict[str, float]], warnings: Mapping[int, str]) -> list[dict[str, float]]:
    """Some lines, evenly, and some of those where it warned."""
    kept = [*thinned(lines), *thinned([line for line in lines if line["step"] in warnings], _MOST_WARNINGS)]
    return sorted({line["step"]: line for line in kept}.values(), key=lambda line: line["step"])


def thinned(lines: list[dict[str, float]], most: int = 300) -> list[dict[str, float]]:
    """At most so many lines, evenly, first and last among them."""
    if len(lines) <= most:
        return lines
    kept = np.linspace(0, len(lines) - 1, most).round().astype(int)
    return [lines[index] for index in kept]


def sweep(
    name: str, caption: str, values: list[dict[str, Any]], arms: Sequence[str], *, x: str, log: bool
) -> Figure | None:
    """Accuracy, or another score, over a quantity that was chosen on validation.

    Args:
        values: arm, run, the quantity `x`, and one more, in percent: the score by its name.
    """
    if not values:
        return None
    score = next(name for name in values[0] if name not in ("arm", "run", x))
    scale = {"type": "log" if log else "linear", "nice": False}
    spec = {
        "data": {"values": values},
        "width": _WIDTH - 60,
        "height": 220,
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "scale": scale},
            "y": {
                "field": score,
                "type": "quantitative",
                "scale": {"zero": False},
                "axis": _AS_IT_IS,
            },
            "color": _by_arm(arms, values),
            "detail": {"field": "run"},
            "tooltip": [{"field": "run"}, {"field": x}, _number(score)],
        },
    }  # fmt: skip
    best: dict[str, float] = {}
    for value in values:
        best[value["run"]] = max(best.get(value["run"], 0.0), value[score])
    told = ", ".join(f"{run} at most {value:.1f} %" for run, value in best.items())
    return Figure(name, caption, f"{caption} {told}.", spec)


def precision_recall(
    task: str, kind: str, values: list[dict[str, Any]], arms: Sequence[str]
) -> Figure | None:
    """Precision over recall, a mean over classes, at each IoU.

    Args:
        kind: "box" or "mask".
        values: arm, run, IoU, recall and precision (fractions).
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
                "color": _by_arm(arms, values),
                "detail": {"field": "run"},
                "order": {"field": "recall"},
                "tooltip": [{"field": "run"}, _number("recall"), _number("precision")],
            },
        },
    }
    words = f"{task}: precision over recall of {'boxes' if kind == 'box' else 'masks'}, a mean over classes."
    areas: dict[str, list[float]] = {}
    for value in values:
        areas.setdefault(f"{value['run']} at IoU {value['IoU']}", []).append(value["precision"])
    told = ", ".join(f"{run}: area {100 * np.mean(of):.1f} %" for run, of in areas.items())
    return Figure(f"precision-recall-{task}-{kind}", words, f"{words} {told}.", spec)


def per_class(
    task: str, measure: str, values: list[dict[str, Any]], arms: Sequence[str], confidence: float
) -> Figure | None:
    """A value for each class, runs side by side, with their intervals where there is room for them.

    Args:
        values: class, arm, run; in percent the measure under its name, low and high, which may be None.
    """
    if not values:
        return None
    order = list(dict.fromkeys(value["class"] for value in values))
    runs = list(dict.fromkeys(value["run"] for value in values))
    known = [value for value in values if value["low"] is not None]
    apart = bool(known) and len(order) * len(runs) <= _MOST_INTERVALS
    x = {"type": "quantitative", "title": f"{measure} (%)"}
    common = {
        "y": {"field": "class", "type": "nominal", "sort": order, "title": None, "axis": {"grid": True}},
        "color": _by_arm(arms, values),
        "tooltip": [{"field": "class"}, {"field": "run"}, *map(_number, (measure, "low", "high"))],
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
        "width": _WIDTH - 180,
        "height": {"step": 7 if apart else 16},
        "layer": [rule, points] if apart else [points],
    }
    worst = min(values, key=lambda value: value[measure])
    told = f"lowest: {worst['class']} with {worst[measure]:.1f} % ({worst['run']})"
    words = f"{task}: {measure} of each class"
    if apart:
        words += f", with its {100 * confidence:g} % interval over test images"
    return Figure(f"classes-{task}", f"{words}.", f"{measure} per class of {task}; {told}", spec)


def confusion(task: str, run: str, names: Sequence[str], counts: np.ndarray) -> Figure:
    """Shares of each true class's images, row by row.

    Args:
        counts: (K, K), rows are the truth.
    """
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
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
    caption = f"{task}, {run}: which class is predicted for which."
    return Figure(f"confusion-{task}-{run}", caption, told, spec)


def class_balance(values: list[dict[str, Any]], unit: str) -> Figure | None:
    """How often each class occurs in each split.

    Args:
        values: class, split, count.
        unit: what is counted.
    """
    if not values:
        return None
    order = list(dict.fromkeys(value["class"] for value in values))
    splits = ["train", "val", "test"]
    spec = {
        "data": {"values": [value | {"place": splits.index(value["split"])} for value in values]},
        "width": _WIDTH - 180,
        "height": {"step": 16},
        "mark": "bar",
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": order, "title": None},
            "x": {"field": "count", "type": "quantitative", "title": unit},
            "color": {"field": "split", "type": "nominal", "sort": splits, "title": None},
            "order": {"field": "place"},  # within a bar as in the legend
            "tooltip": [{"field": "class"}, {"field": "split"}, {"field": "count"}],
        },
    }
    total: dict[str, int] = {}
    for value in values:
        total[value["class"]] = total.get(value["class"], 0) + value["count"]
    rarest = min(total, key=total.get)
    told = f"{len(order)} classes; rarest: {rarest} with {total[rarest]} {unit}"
    return Figure(f"balance-{unit}", f"Class balance: {unit} of each class and split.", told, spec)


def feature_map(title: str, part: str, values: list[dict[str, Any]]) -> Figure:
    """Images by their features in two dimensions; in the page, a thumbnail where the pointer is.

    Args:
        title: whose features, "hssl, base".
        part: of the data.
        values: x, y, class, path and image (the name of a thumbnail).
    """
    color = {"field": "class", "type": "nominal", "scale": {"scheme": "tableau20"}, "title": None}
    spec = {
        "data": {"values": values},
        "width": 300,
        "height": 300,
        "mark": {"type": "point", "filled": True, "size": 30, "opacity": 0.75},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": None},
            "y": {"field": "y", "type": "quantitative", "axis": None},
            "color": color | {"legend": {"columns": 4, "orient": "bottom", "symbolLimit": 24}},
            "tooltip": [{"field": "image"}, {"field": "class"}, {"field": "path"}],
        },
    }
    told = f"{len(values)} {part} images of {title} in two dimensions, coloured by class"
    return Figure(f"features-{title}", f"{title}: {part} images by their features (t-SNE).", told, spec)


def gains(study: str, probe: str, values: list[dict[str, Any]], confidence: float) -> Figure | None:
    """What each auxiliary head gains over the baseline, over its discrepancy.

    Args:
        values: head, "1 - CKA"; gain, low and high in percentage points, the last two maybe None.
    """
    if not values:
        return None
    x = {"field": "1 - CKA", "type": "quantitative", "scale": {"zero": False}}
    y = {"type": "quantitative", "title": "gain (percentage points)"}
    tip = [{"field": "head"}, {**x, "format": ".3f"}, *map(_number, ("gain", "low", "high"))]
    tip[1].pop("scale")
    mark = {"color": ARM_COLORS[1]}
    spec = {
        "data": {"values": values},
        "width": _WIDTH - 60,
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
    words = (
        f"{study}: what each head gains over the baseline in {probe}, over the discrepancy of base and head, "
        f"with the {100 * confidence:g} % interval over test images."
    )
    return Figure(f"{study}-{probe}-gains", words, f"{words} {told}", spec)
