"""Confusion matrices with a few test images of their cells; of many classes, the most confused ones.

On the page, an interactive grid replaces the drawn figure; its cells show their images. Each thumbnail is in
the page once, however many cells show it.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.report.page.charts import classes
from pipeline.report.page.figures import Figure
from pipeline.report.page.thumbnails import data_address

_MOST_CLASSES = 60  # of a whole matrix, to keep it readable
_CHOSEN_CLASSES = 40  # shown if there are more than that
_IMAGES_OF_A_CELL = 6
_MOST_THUMBNAILS = 400  # of the whole page
_SIDE = 56  # pixels

Cells = dict[tuple[int, int], list[int]]  # (true class, predicted class) -> rows of the data set


@dataclass(frozen=True)
class Counted:
    """The full confusion matrix of one arm in one task."""

    task: str
    arm: str
    purpose: str  # of the data set that the rows belong to
    class_names: list[str]
    counts: np.ndarray  # (K, K), rows are the truth
    cells: Cells | None  # None: the counts are not of images


@dataclass(frozen=True)
class Confusion:
    """The matrix of one arm in one task, as shown."""

    figure: Figure
    class_names: list[str]
    counts: np.ndarray  # (K, K), rows are the truth
    totals: np.ndarray  # (K,), images of each true class, including those predicted as classes not shown
    purpose: str = ""
    cells: Mapping[tuple[int, int], Sequence[int]] | None = None

    @property
    def json(self) -> str:
        """The grid's data, for a script element; "" if there are no images to show."""
        if self.cells is None:
            return ""
        cells = {f"{i},{j}": [f"{self.purpose}-{row}" for row in rows] for (i, j), rows in self.cells.items()}
        grid = {
            "caption": self.figure.caption,
            "names": self.class_names,
            "counts": self.counts.tolist(),
            "totals": self.totals.tolist(),
            "cells": cells,
        }
        return json.dumps(grid, separators=(",", ":")).replace("<", "\\u003c")


def read_confusion(directory: Path, task: str, arm: str, purpose: str) -> Counted | None:
    """The matrix of a probe or a fine-tuned network; None if there is none."""
    lines = _lines(directory / "confusion.csv")
    names = [line[0] for line in lines[1:]]
    counts = np.array([[int(cell) for cell in line[1:]] for line in lines[1:]], np.int64)
    if len(names) < 2 or counts.shape != (len(names), len(names)) or not counts.sum():
        return None
    return Counted(task, arm, purpose, names, counts, _cells(directory / "predictions.npz"))


def confusions(found: Sequence[Counted]) -> list[Confusion]:
    """The matrices to show; all arms of a task show the same classes."""
    of_task: dict[str, list[Counted]] = defaultdict(list)
    for each in found:
        of_task[each.task].append(each)
    chosen = {task: most_confused(sum(each.counts for each in of)) for task, of in of_task.items()}
    return [_of_classes(each, chosen[each.task]) for each in found]


def most_confused(counts: np.ndarray) -> np.ndarray:
    """Classes of the most frequent confusions, ascending; all classes if they are few.

    Args:
        counts: (K, K), rows are the truth.
    """
    every = np.arange(len(counts))
    if len(counts) <= _MOST_CLASSES:
        return every
    wrong = counts - np.diag(np.diag(counts))
    chosen: dict[int, None] = {}
    for index in np.argsort(-wrong, axis=None, kind="stable")[: _CHOSEN_CLASSES**2].tolist():
        pair = divmod(index, len(counts))
        if wrong[pair] and len(chosen.keys() | set(pair)) <= _CHOSEN_CLASSES:
            chosen |= dict.fromkeys(pair)
    return every[sorted(chosen)] if chosen else every[:_CHOSEN_CLASSES]


def _of_classes(each: Counted, chosen: np.ndarray) -> Confusion:
    """The matrix restricted to the chosen classes."""
    names, counts = [each.class_names[label] for label in chosen], each.counts[np.ix_(chosen, chosen)]
    totals = each.counts.sum(axis=1)[chosen]
    position = {label: index for index, label in enumerate(chosen.tolist())}
    cells = each.cells
    if cells is not None:
        shown = {pair: rows for pair, rows in cells.items() if position.keys() >= {*pair}}
        cells = {(position[i], position[j]): rows for (i, j), rows in shown.items()}
    figure = classes.confusion(each.task, each.arm, names, counts, totals, len(each.class_names))
    return Confusion(figure, names, counts, totals, each.purpose, cells)


def with_thumbnails(
    confusions: Sequence[Confusion], datasets: Mapping[str, PreparedDataset]
) -> tuple[list[Confusion], dict[str, dict[str, Any]]]:
    """Matrices with at most `_MOST_THUMBNAILS` images in all, and these images by name.

    Every cell gets its first image before any gets its second, cells of mistakes first.
    """
    chosen: list[Cells] = [defaultdict(list) for _ in confusions]
    taken: dict[tuple[str, int], None] = {}
    for index in range(_IMAGES_OF_A_CELL):
        for mistakes in (True, False):
            for confusion, cells in zip(confusions, chosen, strict=True):
                for (i, j), rows in (confusion.cells or {}).items():
                    if (i != j) != mistakes or index >= len(rows):
                        continue
                    name = (confusion.purpose, rows[index])
                    if name in taken or len(taken) < _MOST_THUMBNAILS:
                        taken[name] = None
                        cells[i, j].append(rows[index])
    thumbnails = {
        f"{purpose}-{row}": {
            "image": data_address(datasets[purpose].picture(row, at_least=_SIDE), _SIDE),
            "path": datasets[purpose].path(row),
        }
        for purpose, row in taken
    }
    shown = [
        confusion if confusion.cells is None else replace(confusion, cells=dict(cells))
        for confusion, cells in zip(confusions, chosen, strict=True)
    ]
    return shown, thumbnails


def _cells(predictions: Path) -> Cells | None:
    """The test images of each cell, in the order of the data set."""
    if not predictions.is_file():
        return None
    with np.load(predictions, allow_pickle=False) as stored:
        labels, predicted, rows = (stored[name].tolist() for name in ("labels", "predictions", "index"))
    cells: Cells = defaultdict(list)
    for label, guess, row in zip(labels, predicted, rows, strict=True):
        if len(cells[label, guess]) < _IMAGES_OF_A_CELL:
            cells[label, guess].append(row)
    return dict(cells)


def _lines(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))
