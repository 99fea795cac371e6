"""Images with any number of classes: a matrix of 0 and 1 in the prepared folder.

Shapes: N images, K classes. The index of such a data set has no classes: -1 for every image.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.source import Entry, Source
from pipeline.datasets.splits import SPLITS
from pipeline.storage.files import replacing

UNLABELLED = -1  # in all columns of an image whose classes are unknown
_FILE = "label_sets.npy"


def has_label_sets(source: Source) -> bool:
    """Whether an entry's target is a tuple of its classes, possibly empty; None if they are unknown."""
    return bool(getattr(source, "is_multilabel", False))


class LabelSetWriter:
    """Collects the classes of one image after another.

    Args:
        class_names: in label order.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._positions = {name: place for place, name in enumerate(class_names)}
        self._rows: list[tuple[int, ...] | None] = []

    def add(self, entry: Entry) -> None:
        """Append the classes of the next image."""
        known = entry.target is not None
        self._rows.append(tuple(self._positions[name] for name in entry.target) if known else None)

    def matrix(self) -> np.ndarray:
        """(N, K) int8: 1 if an image has a class, 0 if not, UNLABELLED if that is unknown."""
        found = np.zeros((len(self._rows), len(self._positions)), np.int8)
        for row, classes in enumerate(self._rows):
            if classes is None:
                found[row] = UNLABELLED
            else:
                found[row, list(classes)] = 1
        return found


def write_label_sets(folder: Path, matrix: np.ndarray) -> str:
    """Write the matrix into a prepared folder; return its digest."""
    with replacing(folder / _FILE) as partial, open(partial, "wb") as stream:
        np.save(stream, matrix)
    return hashlib.sha256(matrix.tobytes()).hexdigest()


def read_label_sets(dataset: PreparedDataset) -> np.ndarray | None:
    """The matrix (N, K) int8 of a prepared data set, read-only; None if an image has at most one class.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is not the matrix of this data set.
    """
    return _opened(dataset) if "label_sets" in dataset.summary else None


def labels_or_sets(dataset: PreparedDataset) -> np.ndarray:
    """(N,) int64: one class for each image, -1 = none; or the matrix (N, K) int8."""
    matrix = read_label_sets(dataset)
    return dataset.labels if matrix is None else matrix


@lru_cache(maxsize=8)
def _opened(dataset: PreparedDataset) -> np.ndarray:
    path, shape = dataset.directory / _FILE, (len(dataset), len(dataset.class_names))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing; run the task prepare again")
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a whole .npy file ({error})") from error
    if found.shape != shape or found.dtype != np.int8:
        raise ValueError(f"{path}: expected int8 {shape}, found {found.dtype} {found.shape}")
    return found


def is_labelled(matrix: np.ndarray) -> np.ndarray:
    """(N,) bool: whether an image's classes are known."""
    return matrix[:, 0] != UNLABELLED if matrix.shape[1] else np.zeros(len(matrix), bool)


def strata(matrix: np.ndarray) -> np.ndarray:
    """(N,) int64: each image's rarest class, K if it has none, -1 if that is unknown.

    Used as the classes when held-out parts and shares of the labels are drawn class by class, so that rare
    classes, which a random draw may miss, keep their share.
    """
    if not matrix.shape[1]:  # no image has any class
        return np.full(len(matrix), -1, np.int64)
    counts = (matrix == 1).sum(axis=0)
    rarity = np.where(matrix == 1, counts, np.iinfo(np.int64).max)
    found = np.where((matrix == 1).any(axis=1), rarity.argmin(axis=1), matrix.shape[1])
    return np.where(is_labelled(matrix), found, -1)


def summary_of(matrix: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    """The statistics of the classes for summary.json.

    Args:
        codes: (N,) index into SPLITS of every image.
    """
    positive, labelled = matrix == 1, is_labelled(matrix)
    of_image = positive.sum(axis=1)
    return {
        "class_counts": {
            name: positive[codes == code].sum(axis=0).tolist() for code, name in enumerate(SPLITS[:3])
        },
        "label_sets": {
            "mean": float(of_image[labelled].mean()) if labelled.any() else 0.0,
            "most": int(of_image.max(initial=0)),
            "num_without": int(np.sum(labelled & (of_image == 0))),
            "num_unlabelled": int(np.sum(~labelled)),
        },
    }


def described(summary: dict[str, Any]) -> str:
    """A line about the labels, printed after preparing."""
    found = summary["label_sets"]
    line = f"labels: {found['mean']:.2f} for each image, at most {found['most']}"
    if found["num_without"]:
        line += f"; images with none of the classes: {found['num_without']}"
    if found["num_unlabelled"]:
        line += f"; images whose labels are not known, which no score takes: {found['num_unlabelled']}"
    return line


def label_words(dataset: PreparedDataset, row: int) -> str | None:
    """The class or classes of an image, as text; None if unknown."""
    matrix = read_label_sets(dataset)
    if matrix is None:
        label = int(dataset.labels[row])
        return dataset.class_names[label] if label >= 0 else None
    if matrix.shape[1] and matrix[row, 0] == UNLABELLED:
        return None
    return ", ".join(dataset.class_names[place] for place in np.flatnonzero(matrix[row])) or "(none)"
