"""Computes and writes the confusion matrix, and the accuracy of each class."""

from pathlib import Path

import numpy as np

from pipeline.storage.files import write_csv


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts of (true class, predicted class).

    Args:
        labels: (n,) integers in 0..num_classes - 1.
        predictions: (n,) the same.

    Returns:
        (num_classes, num_classes) int64, rows are the ground truth.

    Raises:
        ValueError: lengths differ, or a class is out of range.
    """
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} must be equal vectors")
    for name, classes in (("labels", labels), ("predictions", predictions)):
        if classes.size and not 0 <= classes.min() <= classes.max() < num_classes:
            raise ValueError(f"{name} {classes.min()}..{classes.max()} leave 0..{num_classes - 1}")
    cells = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def per_class_accuracy(confusion: np.ndarray) -> np.ndarray:
    """(C,) float64: share of each true class that is predicted correctly; NaN for a class without images."""
    totals = confusion.sum(axis=1)
    accuracy = np.full(len(confusion), np.nan)
    np.divide(np.diagonal(confusion), totals, out=accuracy, where=totals > 0)
    return accuracy


def write_confusion(path: Path, confusion: np.ndarray, class_names: list[str]) -> None:
    """Write a confusion matrix as CSV, with the names of the classes; rows are the ground truth."""
    header = ["true class \\ predicted class", *class_names]
    counts = ([name, *row] for name, row in zip(class_names, confusion.tolist(), strict=True))
    write_csv(path, [header, *counts])
