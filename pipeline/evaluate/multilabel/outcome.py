"""Turns scores of images with any number of classes into rows, intervals and further files.

Shapes: n test images, m validation images, K classes, R resamples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate.multilabel.average_precision import (
    average_precision_replicates,
    average_precisions,
)
from pipeline.evaluate.multilabel.f1 import Thresholds, chosen_thresholds, f1_replicates
from pipeline.measures.class_replicates import write_class_replicates
from pipeline.measures.floor_rows import array_name
from pipeline.measures.intervals.resamples import resample_counts
from pipeline.measures.labelled_images import LabelledImages
from pipeline.measures.measure import REPLICATES
from pipeline.storage.files import replacing, write_csv, write_json

PREVALENCE = "prevalence"  # the floor: every image has the same score
MOST_CLASS_ROWS = 100  # of classes; with more, tables would consist of classes alone
_NAMED = 5  # classes that a protocol lists


@dataclass(frozen=True, eq=False)
class Scored:
    """A probe's scores for every class of the test images."""

    test: np.ndarray  # (n, K) float, higher is likelier
    val: np.ndarray | None  # (m, K) likewise, to choose thresholds; None: no labelled validation images
    protocol: str
    variants: Mapping[str, tuple[np.ndarray, str]] = field(default_factory=dict)  # "k20" -> scores, protocol
    files: Mapping[str, Any] = field(default_factory=dict)  # name -> content of a JSON file beside the rows


@dataclass(frozen=True, eq=False)
class _Metric:
    name: str
    value: float
    replicates: np.ndarray | None  # (R,)
    protocol: str
    floor: str | None = None  # the arm of the row, if not the probe's own


def mean_average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean over the classes with a positive image, of truth (n, K) bool; NaN if there is none."""
    found = average_precisions(truth, scores)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def write_label_set_outcome(
    output: Path,
    task: str,
    scored: Scored,
    test: LabelledImages,
    val_truth: np.ndarray | None,
    *,
    num_bootstrap: int,
) -> None:
    """Write rows.json and replicates.npz, per_class.csv and its replicates, and scores.npz.

    Classes without a positive test image are in no mean, since AP and F1 are undefined for them.

    Args:
        test: the n images, with labels (n, K).
        val_truth: (m, K) of the validation images in `scored.val`.
        num_bootstrap: resamples of the test images.
    """
    truth = test.labels == 1
    counts = resample_counts(len(truth), num_bootstrap)
    tested = np.flatnonzero(truth.any(axis=0))
    per_class, replicates = _precisions(truth, scored.test, counts)
    over = f"{scored.protocol}; {_classes_in_words(test.class_names, tested)}"
    metrics = [_mean("map", per_class, replicates, tested, over)]
    thresholds = None
    if scored.val is not None:
        thresholds = chosen_thresholds(val_truth == 1, scored.val)
        f1, of_f1 = _f1_metrics(truth, scored.test, counts, tested, thresholds, over)
        metrics += of_f1
    else:
        f1 = np.full(len(test.class_names), np.nan)
    for name, (scores, protocol) in scored.variants.items():
        found = _precisions(truth, scores, counts)
        metrics.append(_mean(f"map_{name}", *found, tested, protocol))
    if len(tested) <= MOST_CLASS_ROWS:
        metrics += [
            _Metric(f"ap_{test.class_names[k]}", per_class[k], replicates[:, k], scored.protocol)
            for k in tested.tolist()
        ]
    shares, drawn = truth.mean(axis=0), counts @ truth / len(truth)
    alike = "every image scored alike: the AP of a class is its share of the test images"
    floor = _mean("map", shares, np.where(drawn > 0, drawn, np.nan), tested, alike)
    metrics.append(_Metric(floor.name, floor.value, floor.replicates, floor.protocol, PREVALENCE))
    _write_rows(output, task, metrics, test, len(truth))
    _write_classes(output, test.class_names, truth, per_class, f1, thresholds)
    write_class_replicates(output, {"ap": replicates})
    chosen = {} if thresholds is None else {"thresholds": thresholds.of_classes}
    with replacing(output / "scores.npz") as partial, open(partial, "wb") as stream:
        np.savez(stream, labels=test.labels, scores=scored.test, index=test.index, **chosen)


def _precisions(truth: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AP of each class (K,), and on each resample (R, K)."""
    return average_precisions(truth, scores), average_precision_replicates(truth, scores, counts)


def _mean(
    name: str, per_class: np.ndarray, replicates: np.ndarray, tested: np.ndarray, protocol: str
) -> _Metric:
    """The mean over the tested classes; on a resample, over those with a positive image in it."""
    return _Metric(name, float(per_class[tested].mean()), _nan_mean(replicates[:, tested]), protocol)


def _nan_mean(values: np.ndarray) -> np.ndarray:
    """(R,) means of the numbers in each row of (R, K); NaN if there are none."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def _f1_metrics(
    truth: np.ndarray,
    scores: np.ndarray,
    counts: np.ndarray,
    tested: np.ndarray,
    thresholds: Thresholds,
    protocol: str,
) -> tuple[np.ndarray, list[_Metric]]:
    """F1 of each class (K,) by its own threshold, and the two means."""
    once = np.ones((1, len(truth)), np.int32)
    by_class, in_common = scores >= thresholds.of_classes, scores >= thresholds.common
    f1, _ = f1_replicates(truth, by_class, once)
    replicates, _ = f1_replicates(truth, by_class, counts)
    _, micro = f1_replicates(truth[:, tested], in_common[:, tested], once)
    _, micro_replicates = f1_replicates(truth[:, tested], in_common[:, tested], counts)
    chosen = "chosen on validation for the best F1"
    return f1[0], [
        _mean("f1_macro", f1[0], replicates, tested, f"{protocol}; a threshold for each class {chosen}"),
        _Metric(
            "f1_micro",
            float(micro[0]),
            micro_replicates,
            f"{protocol}; one threshold for all classes {chosen}",
        ),
    ]


def _classes_in_words(names: list[str], tested: np.ndarray) -> str:
    """The classes over which a mean is taken, and why others are left out."""
    if len(tested) == len(names):
        return f"mean over {len(names)} classes"
    left_out = [name for place, name in enumerate(names) if place not in set(tested.tolist())]
    shown = ", ".join(left_out[:_NAMED]) + ", ..." * (len(left_out) > _NAMED)
    return f"mean over {len(tested)} of {len(names)} classes, without a positive test image: {shown}"


def _write_rows(output: Path, task: str, metrics: list[_Metric], test: LabelledImages, count: int) -> None:
    about = {"num_images": count, "dataset": test.dataset, "split": test.split, "higher_is_better": True}
    rows, arrays = [], {}
    for metric in metrics:
        row = {"task": task, "metric": metric.name, "value": metric.value, "protocol": metric.protocol}
        rows.append(row | about | ({} if metric.floor is None else {"floor": metric.floor}))
        arrays[array_name(task, metric.name, metric.floor)] = metric.replicates
    write_json(output / "rows.json", rows)
    with replacing(output / REPLICATES) as partial, open(partial, "wb") as stream:
        np.savez(stream, **arrays)


def _write_classes(
    output: Path,
    names: list[str],
    truth: np.ndarray,
    per_class: np.ndarray,
    f1: np.ndarray,
    thresholds: Thresholds | None,
) -> None:
    """Write per_class.csv; unknown cells are empty."""
    chosen = np.full(len(names), np.nan) if thresholds is None else thresholds.of_classes
    lines = [
        [name, int(truth[:, k].sum()), _cell(per_class[k]), _cell(f1[k]), _cell(chosen[k], ".6g")]
        for k, name in enumerate(names)
    ]
    write_csv(output / "per_class.csv", [["class", "num_images", "ap", "f1", "threshold"], *lines])


def _cell(value: float, form: str = ".6f") -> str:
    return "" if np.isnan(value) else format(value, form)
