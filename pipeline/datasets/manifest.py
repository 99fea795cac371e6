"""The table of a prepared data set: one row per usable image, in columns that stay small with millions."""

import csv
import os
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.array_files import write_arrays
from pipeline.datasets.checking import Checked
from pipeline.datasets.source import Entry
from pipeline.datasets.splits import SPLITS
from pipeline.storage.files import replacing

COLUMNS = ("path", "split", "label", "width", "height", "digest")


class Rows:
    """Collects rows, in about 170 bytes each.

    Args:
        num_channels: of images with channels; None: they are 8-bit RGB.
    """

    def __init__(self, num_channels: int | None = None) -> None:
        self._path_bytes = bytearray()
        self._path_ends = array("q")
        self._digests = bytearray()
        self._numbers = array("q")  # part, class code, width, height, start, size, per row
        # Six per row, or two for each channel.
        self._num_sums = 6 if num_channels is None else 2 * num_channels
        self._sums = array("q" if num_channels is None else "d")
        self.part_names: dict[str | None, int] = {}
        self.class_codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._path_ends)

    def add(self, entry: Entry, checked: Checked) -> None:
        """Append a usable image."""
        self._path_bytes += os.fsencode(entry.path)
        self._path_ends.append(len(self._path_bytes))
        self._digests += checked.digest
        part = self.part_names.setdefault(entry.split, len(self.part_names))
        label = -1
        if entry.class_name is not None:
            label = self.class_codes.setdefault(entry.class_name, len(self.class_codes))
        self._numbers.extend((part, label, checked.width, checked.height, entry.start, entry.size))
        self._sums.extend(checked.sums)

    def columns(self, class_names: tuple[str, ...]) -> "Columns":
        """The finished columns, with labels counted in the order of `class_names`."""
        numbers = np.frombuffer(self._numbers, np.int64).reshape(-1, 6)
        position = {name: label for label, name in enumerate(class_names)}
        recoded = np.array([*(position[name] for name in self.class_codes), -1], dtype=np.int64)
        return Columns(
            path_bytes=np.frombuffer(self._path_bytes, np.uint8),
            path_ends=np.frombuffer(self._path_ends, np.int64),
            parts=numbers[:, 0],
            labels=recoded[numbers[:, 1]],
            sizes=numbers[:, 2:4],
            positions=numbers[:, 4:6],
            digests=np.frombuffer(self._digests, "S32"),
            sums=np.frombuffer(self._sums, self._sums.typecode).reshape(-1, self._num_sums),
        )


@dataclass(frozen=True)
class Columns:
    """The rows of a data set, n of them, by column."""

    path_bytes: np.ndarray  # (total,) uint8: the paths one after another
    path_ends: np.ndarray  # (n,) int64
    parts: np.ndarray  # (n,) int64: the split's name in the source, by number
    labels: np.ndarray  # (n,) int64, -1 = none
    sizes: np.ndarray  # (n, 2) int64: width, height, pixels
    positions: np.ndarray  # (n, 2) int64: start and size in the archive, -1 if unused
    digests: np.ndarray  # (n,) S32
    sums: np.ndarray  # (n, 6) int64; of images with channels (n, 2 C) float64; see `Checked`

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, row: int) -> str:
        """One image's path."""
        return path_at(self.path_bytes, self.path_ends, row)


def path_at(path_bytes: np.ndarray, path_ends: np.ndarray, row: int) -> str:
    """Path number `row` of paths stored one after another."""
    start = int(path_ends[row - 1]) if row else 0
    return os.fsdecode(path_bytes[start : int(path_ends[row])].tobytes())


def write_manifest(path: Path, columns: Columns, splits: np.ndarray) -> None:
    """Write `manifest.csv`. File names that are not UTF-8 are written as their bytes."""
    with (
        replacing(path) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in range(len(columns)):
            width, height = columns.sizes[row].tolist()
            # NumPy drops zero bytes at the end of a digest.
            digest = columns.digests[row].ljust(32, b"\0").hex()
            writer.writerow(
                (columns.path(row), SPLITS[splits[row]], columns.labels[row], width, height, digest)
            )


def read_digests(path: Path) -> np.ndarray:
    """(n, 32) uint8 of a `manifest.csv`: SHA-256 of each image's file, or of its pixels if it has no file."""
    found = bytearray()
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as stream:
        for line in csv.DictReader(stream):
            found += bytes.fromhex(line["digest"])
    return np.frombuffer(found, np.uint8).reshape(-1, 32)


def write_index(path: Path, columns: Columns, splits: np.ndarray) -> None:
    """Write `index.npz`: what is needed to find an image, as arrays that load at once."""
    write_arrays(
        path,
        path_bytes=columns.path_bytes,
        path_ends=columns.path_ends,
        splits=splits,
        labels=columns.labels.astype(np.int32),
        sizes=columns.sizes.astype(np.int32),
        positions=columns.positions,
    )
