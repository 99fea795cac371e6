"""Output files of a classification: rows for the tables, predictions, and the confusion matrix."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.report.confusion import confusion_matrix, per_class_accuracy
from pipeline.report.labelled_images import LabelledImages
from pipeline.storage.files import replacing, write_json, write_text


@dataclass(frozen=True)
class Metric:
    """Which test images are classified right, and how that came about."""

    name: str
    correct: np.ndarray  # (n,) bool
    protocol: str


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
        num_bootstrap: resamples that the interval of a single seed takes.
    """
    write_json(output / "rows.json", [_row(task, metric, test, num_bootstrap) for metric in metrics])
    arrays = {f"correct_{metric.name}": metric.correct for metric in metrics}
    with replacing(output / "predictions.npz") as partial, open(partial, "wb") as stream:
        np.savez(stream, labels=test.labels, predictions=predictions, index=test.index, **arrays)
    confusion = confusion_matrix(test.labels, predictions, len(test.class_names))
    _write_csv(
        output / "confusion.csv",
        [
            ["true class \\ predicted class", *test.class_names],
            *([name, *counts] for name, counts in zip(test.class_names, confusion.tolist(), strict=True)),
        ],
    )
    accuracies = ["" if np.isnan(share) else f"{share:.6f}" for share in per_class_accuracy(confusion)]
    counts_and_accuracies = zip(test.class_names, confusion.sum(axis=1), accuracies, strict=True)
    _write_csv(output / "per_class.csv", [["class", "num_images", "accuracy"], *counts_and_accuracies])


def write_no_outcome(output: Path, reason: str) -> None:
    """Write an empty rows.json, and the reason into no_rows.txt."""
    write_json(output / "rows.json", [])
    write_text(output / "no_rows.txt", reason + "\n")


def why_not(dataset: str, labels: Mapping[str, np.ndarray]) -> str | None:
    """Why nothing can be learnt and tested on a data set; None where it can.

    Args:
        labels: of each part that is needed, none where it has no labelled images; "train" among them.
    """
    missing = [split for split, of_split in labels.items() if not len(of_split)]
    if missing:
        return f"no probe of {dataset}: no labelled images in the parts {', '.join(missing)}"
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


def _write_csv(path: Path, rows: list[Sequence]) -> None:
    with replacing(path) as partial, open(partial, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
