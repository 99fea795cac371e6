"""Data sets that are arrays of pixels."""

from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.datasets.source import Entry

# Split -> possible names of its images and labels in a file of arrays; the first one found is used.
_KEYS = {
    "train": (("train_images", "x_train", "images"), ("train_labels", "y_train", "labels")),
    "val": (("val_images", "x_val", "x_valid"), ("val_labels", "y_val", "y_valid")),
    "test": (("test_images", "x_test"), ("test_labels", "y_test")),
}

_SHOWN = 5  # names that a note lists
_MOST_CLASSES = 2**20  # each number up to the highest label is a class


@dataclass(frozen=True, slots=True)
class ArrayPart:
    """The images of one split.

    Raises:
        ValueError: impossible shapes, dtypes or label values; the message starts with `origin`.
    """

    split: str
    # (n, H, W) grey, or (n, H, W, C) with C = 1, 3 or 4; uint8. With `has_channels` also (n, H, W, C) or
    # (n, C, H, W) with any C and any numeric type. Read image by image, so it may be on disk.
    images: np.ndarray
    # (n,) integers, -1 = none; or (n, K) of 0 and 1: any number of K classes per image.
    labels: np.ndarray | None
    origin: str  # file and key, for messages
    has_channels: bool = False  # `data.channels` is given

    def __post_init__(self) -> None:
        shape = self.images.shape
        self._check_images(shape)
        self._check_labels(shape)

    @property
    def is_multilabel(self) -> bool:
        """Whether there is a column of labels for each class."""
        return self.labels is not None and self.labels.ndim == 2 and self.labels.shape[1] > 1

    def _check_images(self, shape: tuple[int, ...]) -> None:
        if self.has_channels:
            if len(shape) not in (3, 4) or 0 in shape[1:] or self.images.dtype.kind not in "biuf":
                raise ValueError(
                    f"{self.origin}: expected numbers (n, H, W) or (n, H, W, channels), "
                    f"found shape {shape}, dtype {self.images.dtype}"
                )
            return
        if self.images.dtype != np.uint8:
            raise ValueError(f"{self.origin}: expected images of dtype uint8, found {self.images.dtype}")
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)) or 0 in shape[1:]:
            raise ValueError(
                f"{self.origin}: expected images (n, H, W) or (n, H, W, 1, 3 or 4), found shape {shape}"
            )

    def _check_labels(self, shape: tuple[int, ...]) -> None:
        if self.labels is None:
            return
        if self.is_multilabel:
            if len(self.labels) != shape[0] or not np.isin(self.labels, (0, 1)).all():
                raise ValueError(
                    f"{self.origin}: expected labels ({shape[0]}, classes) of 0 and 1, found shape "
                    f"{self.labels.shape} with values {np.unique(self.labels)[:4].tolist()}"
                )
            return
        if self.labels.shape != shape[:1] or not np.issubdtype(self.labels.dtype, np.integer):
            raise ValueError(
                f"{self.origin}: expected {shape[0]} integer labels, "
                f"found shape {self.labels.shape}, dtype {self.labels.dtype}"
            )
        if self.labels.size and int(self.labels.min()) < -1:
            raise ValueError(f"{self.origin}: expected labels >= -1 (none), found {int(self.labels.min())}")


class ArraySource:
    """Arrays in memory, one part per split; an image's path is `<split>/<number>`.

    Args:
        parts: one per split.
        class_names: in label order; None: labels are named by their numbers.
        notes: remarks for the user on how the files were read.
        stated: `data.labels`. None: with a column of labels for each class an image has several labels,
        unless every image has exactly one.

    Raises:
        ValueError: a label without a name, parts of different kinds of labels, or several labels where one
            is stated.
    """

    access = "memory"
    annotation = "class"
    num_outside = 0

    def __init__(
        self,
        parts: list[ArrayPart],
        *,
        class_names: list[str] | None = None,
        notes: tuple[str, ...] = (),
        stated: Literal["one", "several"] | None = None,
    ) -> None:
        parts, note = _with_one_kind_of_labels(parts, stated)
        self.is_multilabel = any(part.is_multilabel for part in parts)
        self.notes = notes if note is None else (*notes, note)
        highest = max((_highest(part) for part in parts), default=-1)
        if class_names is None and highest >= _MOST_CLASSES:
            raise ValueError(
                f"{parts[0].origin}: expected labels that count classes from 0, found {highest}: numbers of "
                "another byte order, or of something else?"
            )
        if class_names is None:
            class_names = [str(label) for label in range(highest + 1)]
        if len(set(class_names)) != len(class_names):
            raise ValueError(f"{parts[0].origin}: expected distinct class names, found {class_names}")
        if highest >= len(class_names):
            raise ValueError(
                f"{parts[0].origin}: expected labels below {len(class_names)}, as many as class names, "
                f"found {highest}"
            )
        self._parts = {part.split: part for part in parts}
        self.class_names = tuple(class_names)

    def __len__(self) -> int:
        return sum(len(part.images) for part in self._parts.values())

    def entries(self) -> Iterator[Entry]:
        """Every image, part by part, in the order of its array."""
        for split, part in self._parts.items():
            digits = max(6, len(str(len(part.images))))
            for row in range(len(part.images)):
                path = f"{split}/{row:0{digits}d}"
                if part.is_multilabel:
                    classes = tuple(self.class_names[label] for label in np.flatnonzero(part.labels[row]))
                    yield Entry(path, split, start=row, target=classes)
                    continue
                label = -1 if part.labels is None else int(part.labels[row])
                class_name = self.class_names[label] if label >= 0 else None
                yield Entry(path, split, class_name, start=row)

    def read(self, path: str, start: int, size: int) -> np.ndarray:
        """Image `start` of the split with which `path` begins, as in `ArrayPart`."""
        return self._parts[path.rpartition("/")[0]].images[start]


def _with_one_kind_of_labels(
    parts: list[ArrayPart], stated: Literal["one", "several"] | None
) -> tuple[list[ArrayPart], str | None]:
    """The parts, and a note on columns of labels; one label per image where every image has exactly one."""
    labelled = [part for part in parts if part.labels is not None]
    several = [part for part in labelled if part.is_multilabel]
    if not several:
        return parts, None
    widths = {part.labels.shape[1] if part.is_multilabel else 1 for part in labelled}
    if len(widths) > 1:
        raise ValueError(
            f"{several[0].origin}: expected labels of equally many columns in all parts, found "
            f"{sorted(widths)}"
        )
    width = widths.pop()
    if stated != "several" and all((part.labels.sum(axis=1) == 1).all() for part in several):
        ones = [replace(p, labels=p.labels.argmax(axis=1)) if p.is_multilabel else p for p in parts]
        return ones, f"labels: {width} columns of 0 and 1, exactly one 1 for each image: one class each"
    if stated == "one":
        raise ValueError(
            f"{several[0].origin}: expected one label for each image, found {width} columns of 0 and 1 with "
            'several, or none, for some; data.labels is "one", which few-shot asks for too'
        )
    return parts, f"labels: {width} columns of 0 and 1, several for each image"


def _highest(part: ArrayPart) -> int:
    """The highest label of a part; -1 if there is none."""
    if part.labels is None or not part.labels.size:
        return -1
    return part.labels.shape[1] - 1 if part.is_multilabel else int(part.labels.max())


def labels_of_any_shape(labels: np.ndarray) -> np.ndarray:
    """(n,) from (n,) or (n, 1), the two shapes in which label columns are stored."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def origin(path: Path, key: str) -> str:
    """The name of an array in a file, for messages."""
    return f"{path}: {key}"


def named_parts(
    path: Path,
    names: Container[str],
    images: Callable[[str], np.ndarray],
    labels: Callable[[str], np.ndarray],
    *,
    has_channels: bool,
) -> list[ArrayPart]:
    """The splits of a file of arrays called `train_images`, `x_train`, ..., or `images`; labels likewise.

    Args:
        names: of all arrays in the file.
        images, labels: name -> array.

    Raises:
        ValueError: as `ArrayPart`.
    """
    parts = []
    for split, (found, named) in _names_in_use(names).items():
        of_split = None if named is None else labels_of_any_shape(labels(named))
        parts.append(ArrayPart(split, images(found), of_split, origin(path, found), has_channels))
    return parts


def not_read(names: Collection[str]) -> tuple[str, ...]:
    """A note on the arrays of a file that `named_parts` does not use; empty if there are none."""
    used = {name for both in _names_in_use(names).values() for name in both} | {"class_names"}
    left = [name for name in names if name not in used]
    if not left:
        return ()
    more = ", ..." if len(left) > _SHOWN else ""
    return (f"not read: the arrays {', '.join(left[:_SHOWN])}{more}",)


def _names_in_use(names: Container[str]) -> dict[str, tuple[str, str | None]]:
    """Split -> names of its images and of its labels; only splits with images."""
    first = {
        split: [next((name for name in possible if name in names), None) for possible in both]
        for split, both in _KEYS.items()
    }
    return {split: (images, labels) for split, (images, labels) in first.items() if images is not None}
