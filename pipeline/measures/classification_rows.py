"""Output files of a classification: rows for the tables, predictions, and the confusion matrix."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.measures.confusion import confusion_matrix, per_class_accuracy, write_confusion
from pipeline.measures.labelled_images import LabelledImages, without_images
from pipeline.storage.files import replacing, write_csv, write_json, write_text


@dataclass(frozen=True)
class Metric:
    """Which test images are classified correctly, and the protocol."""

    name: str
    correct: np.ndarray  # (n,) bool
    protocol: str


@dataclass(frozen=True)
class Outcome:
    """Results of a probe on the test images."""

    metrics: list[Metric]  # the headline first
    predictions: np.ndarray  # (n,) int64, the classes behind the headline
    files: Mapping[str, Any] = field(default_factory=dict)  # name -> content of a JSON file beside the rows


def write_outcome(
    output: Path,
    task: str,
    metrics: list[Metric],
    predictions: np.ndarray,
    test: LabelledImages,
    *,
    num_bootstrap: int,
) -> None:
    """Write rows.json, predictions.npz, confusion.csv and per_class.csv.

    Args:
        metrics: the headline first; each becomes a row.
        predictions: (n,) int64, the classes behind the headline.
        test: the n images.
        num_bootstrap: resamples for the interval of a single seed.
    """
    write_json(output / "rows.json", [_row(task, metric, test, num_bootstrap) for metric in metrics])
    arrays = {f"correct_{metric.name}": metric.correct for metric in metrics}
    with replacing(output / "predictions.npz") as partial, open(partial, "wb") as stream:
        np.savez(stream, labels=test.labels, predictions=predictions, index=test.index, **arrays)
    confusion = confusion_matrix(test.labels, predictions, len(test.class_names))
    write_confusion(output / "confusion.csv", confusion, test.class_names)
    accuracies = ["" if np.isnan(share) else f"{share:.6f}" for share in per_class_accuracy(confusion)]
    counts_and_accuracies = zip(test.class_names, confusion.sum(axis=1), accuracies, strict=True)
    write_csv(output / "per_class.csv", [["class", "num_images", "accuracy"], *counts_and_accuracies])


def write_no_outcome(output: Path, reason: str) -> None:
    """Write an empty rows.json; print the reason, and write it into no_rows.txt."""
    print(reason)
    write_json(output / "rows.json", [])
    write_text(output / "no_rows.txt", reason + "\n")


def why_not(dataset: str, labels: Mapping[str, np.ndarray]) -> str | None:
    """Why a data set cannot be used for a probe; None if it can.

    Args:
        labels: of each part needed, empty if it has no labelled images; "train" among them.
    """
    missing = without_images(labels)
    if missing:
        return f"no probe of {dataset}: {missing}"
    if len(np.unique(labels["train"])) < 2:
        return f"no probe of {dataset}: its training images are of one class"
    return None


def _row(task: str, metric: Metric, test: LabelledImages, num_bootstrap: int) -> dict:
    return {
        "task": task,
        "metric": metric.name,
        "value": float(metric.correct.mean()),
        "num_images": len(metric.correct),
        "num_bootstrap": num_bootstrap,
        "dataset": test.dataset,
        "split": test.split,
        "protocol": metric.protocol,
        "higher_is_better": True,
    }
