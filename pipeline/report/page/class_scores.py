"""The scores of a run's classes, with intervals over test images."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from pipeline.config.tables import TablesSection
from pipeline.measures.class_replicates import read_class_replicates
from pipeline.measures.intervals.centred import centred_interval
from pipeline.measures.intervals.values_and_differences import Interval


def class_scores(folder: Path, measure: str, settings: TablesSection) -> list[dict[str, Any]]:
    """Scores of the classes that have one.

    Args:
        folder: artifact of the run.
        measure: column of its per_class.csv.

    Returns:
        For each class "class", and in percent the measure under its name, "low" and "high"; the last two are
        None without outcomes per image. Empty without per_class.csv.
    """
    path = folder / "per_class.csv"
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    replicates, found = read_class_replicates(folder, measure), []
    for index, line in enumerate(lines):
        if not line.get(measure):
            continue
        value = float(line[measure])
        if replicates is not None:
            low, high = _of_replicates(replicates[:, index], value, settings)
        elif measure == "accuracy":
            low, high = _of_images(value, int(line["num_images"]), settings)
        else:
            low, high = None, None
        percent = {
            name: None if each is None else 100 * each for name, each in (("low", low), ("high", high))
        }
        found.append({"class": line["class"], measure: 100 * value, **percent})
    return found


def _of_replicates(replicates: np.ndarray, value: float, settings: TablesSection) -> Interval:
    low, high = centred_interval(replicates, value, confidence=settings.confidence)
    return (None, None) if low is None else (max(low, 0.0), min(high, 1.0))


def _of_images(value: float, num_images: int, settings: TablesSection) -> Interval:
    """Wilson's score interval over the class's images: a bootstrap of a few, all correct, has width 0."""
    found = binomtest(round(value * num_images), num_images)
    low, high = found.proportion_ci(settings.confidence, method="wilson")
    return float(low), float(high)
