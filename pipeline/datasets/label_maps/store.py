"""Stores label maps in one file of a prepared folder, each compressed and read on its own."""

import hashlib
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from pipeline.datasets.array_files import read_arrays
from pipeline.datasets.mapped import mapped_bytes
from pipeline.datasets.source import BadAnnotation
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.targets import IGNORED

Colour = tuple[int, int, int]
_IGNORED_BYTE = 255
_LEVEL = 1  # of zlib: label maps are runs of equal values; higher levels are slower and hardly smaller
# The value that an ignored 255 gets if somebody subtracts one from unsigned bytes.
_SUSPICIOUS = 254
# Labels that are a small part of the numbers up to the highest are rather grey levels than classes.
_FEW, _SPARSE = 8, 4


@dataclass(frozen=True, slots=True)
class PackedLabelMap:
    """A checked label map."""

    data: bytes  # compressed: uint8 with 255 = ignored if every label is below that, else int16
    digest: bytes
    labels: bytes  # (k,) int64: the labels that occur, IGNORED among them
    counts: bytes  # (k,) int64: number of pixels of each
    palette: tuple[tuple[int, Colour], ...] = ()  # palette index in the file -> its colour


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map as read from its source."""

    values: np.ndarray  # (H, W) int16
    palette: Mapping[int, Colour] = field(default_factory=dict)  # of the indices that occur in the file
    is_upright: ClassVar[bool] = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.values.shape[1], self.values.shape[0]

    def packed(self, width: int, height: int) -> PackedLabelMap:
        """The map, with its pixels counted, compressed.

        Raises:
            BadAnnotation: it does not have the image's size.
        """
        if self.size != (width, height):
            raise BadAnnotation(
                f"image of {width} x {height} pixels, label map of {self.size[0]} x {self.size[1]}"
            )
        counts = np.bincount((self.values.ravel() - IGNORED).view(np.uint16))
        present = np.flatnonzero(counts)
        is_small = present[-1] + IGNORED < _IGNORED_BYTE
        stored = np.ascontiguousarray(self.values, np.uint8 if is_small else "<i2")
        digest = hashlib.sha256(b"%d %d " % self.size)
        digest.update(np.ascontiguousarray(self.values, "<i2"))
        return PackedLabelMap(
            zlib.compress(stored, _LEVEL),
            digest.digest(),
            (present + IGNORED).tobytes(),
            counts[present].tobytes(),
            tuple(self.palette.items()),
        )


class LabelMapWriter:
    """Writes label maps one by one, and counts their labels."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hasher = hashlib.sha256()
        self._ends = array("q")
        self._num_found = array("q")  # labels of each image in the two columns below
        self._labels = bytearray()
        self._counts = bytearray()
        self._palette: dict[int, Colour] = {}

    def add(self, packed: PackedLabelMap) -> None:
        """Append the label map of the next image.

        Raises:
            ValueError: a palette index has another colour than in an earlier label map, so that indices
                cannot be classes: each file has its own palette.
        """
        for index, colour in packed.palette:
            if self._palette.setdefault(index, colour) != colour:
                raise ValueError(
                    f"expected one palette for all label maps, found index {index} as the colour {colour}, "
                    f"before as {self._palette[index]}: save them as grey values, or with one palette"
                )
        self._stream.write(packed.data)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(packed.data))
        self._hasher.update(packed.digest)
        self._num_found.append(len(packed.labels) // 8)
        self._labels += packed.labels
        self._counts += packed.counts

    @property
    def digest(self) -> str:
        """Digest of all maps."""
        return self._hasher.hexdigest()

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are needed to find a map in the file."""
        return {"ends": np.frombuffer(self._ends, np.int64)}

    def numbered_classes(self) -> tuple[str, ...]:
        """Names for classes known by number only: 0 to the highest label found.

        Raises:
            ValueError: the labels found suggest that they are read wrongly.
        """
        found = np.unique(np.frombuffer(self._labels, np.int64))
        highest = int(found[-1])
        if highest < 1 and found[0] == IGNORED:
            kinds = "class 0 and ignored pixels" if highest == 0 else "ignored pixels"
            raise ValueError(
                f"the label maps hold only {kinds}; for binary masks of 0 and 255 set "
                "data.label_values = [0, 255], else state data.class_names"
            )
        if highest == _SUSPICIOUS and highest - 1 not in found:
            raise ValueError(
                f"the label maps hold the label {highest}, which an ignored 255 becomes in data whose "
                "labels were lowered by one; state data.class_names, or data.ignored_labels"
            )
        own = found[found != IGNORED].tolist()
        if len(own) <= _FEW and highest + 1 >= _SPARSE * len(own):
            listed = ", ".join(map(str, own))
            example, ignored = listed, ""
            if found[0] == IGNORED:
                example, ignored = f"{listed}, {_IGNORED_BYTE}", " and ignored pixels"
            raise ValueError(
                f"the label maps hold only the labels {listed}{ignored}, of {highest + 1} classes by number: "
                f"state data.label_values, the value of each class, as [{example}], or data.class_names"
            )
        return tuple(str(label) for label in range(highest + 1))

    def summary(self, codes: np.ndarray, num_classes: int) -> dict[str, Any]:
        """Counts of pixels by split.

        Args:
            codes: (n,) index into SPLITS of every image.
        """
        split_of = np.repeat(codes, np.frombuffer(self._num_found, np.int64))
        labels = np.frombuffer(self._labels, np.int64)
        totals = np.zeros((len(SPLITS), num_classes + 1), np.int64)
        np.add.at(totals, (split_of, labels), np.frombuffer(self._counts, np.int64))  # IGNORED is the last
        num_found = np.frombuffer(self._num_found, np.int64)
        starts = np.cumsum(num_found) - num_found
        return {
            "num_all_ignored": int(np.sum((num_found == 1) & (labels[starts] == IGNORED))),
            "class_counts": {name: row[:-1].tolist() for name, row in zip(SPLITS[:3], totals, strict=False)},
            "num_ignored_pixels": {name: int(row[-1]) for name, row in zip(SPLITS[:3], totals, strict=False)},
        }


class StoredLabelMaps:
    """The label maps of a prepared folder, read one at a time, from any thread."""

    def __init__(self, data_path: Path, index_path: Path, sizes: np.ndarray) -> None:
        self._path = data_path
        self._ends = read_arrays(index_path)["ends"]
        self._data = mapped_bytes(data_path, int(self._ends[-1]))
        self._sizes = sizes

    def read(self, i: int) -> np.ndarray:
        """(H, W) int16, IGNORED where a pixel is ignored."""
        start = int(self._ends[i - 1]) if i else 0
        data = zlib.decompress(self._data[start : int(self._ends[i])])
        width, height = self._sizes[i].tolist()
        if len(data) == 2 * width * height:
            return np.frombuffer(data, "<i2").reshape(height, width).astype(np.int16)
        stored = np.frombuffer(data, np.uint8).reshape(height, width)
        labels = stored.astype(np.int16)
        labels[stored == _IGNORED_BYTE] = IGNORED
        return labels
