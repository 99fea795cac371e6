"""What every reader gives: the entries of a source, and a way to read one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, Protocol

import numpy as np

IMAGE_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
    )
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image as its source names it, not yet looked at."""

    path: str  # relative to the source, with "/"; a label, never joined to a folder for archives and arrays
    split: str | None = None  # in the source's own words
    class_name: str | None = None
    start: int = -1  # archives: first byte of the member; arrays: row
    size: int = -1  # bytes in the file or archive, where known
    data: bytes | None = None  # only where the source can be read from front to back and in no other way
    problem: str | None = None  # why the listing alone already refuses it


class Source(Protocol):
    """A readable data set. Picklable, so that worker processes can read from it too."""

    # "random": read() at any time, also after preparing. "sequential": only entries() hands out data.
    # "memory": decoded arrays, read() while preparing.
    access: Literal["random", "sequential", "memory"]
    # In label order, where the source says so; None: the sorted names of the classes found.
    class_names: tuple[str, ...] | None
    num_outside: int  # images that lie beside the split folders and belong to no split

    def __len__(self) -> int:
        """Number of entries."""

    def entries(self) -> Iterator[Entry]:
        """Every entry, in an order that depends on the source alone."""

    def read(self, path: str, start: int, size: int) -> bytes | np.ndarray:
        """File bytes, or (H, W) or (H, W, C) uint8. Safe to call from many threads."""


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image (suffix in any case)."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def path_order(path: str) -> tuple[list[str], str]:
    """Sort key: a folder's files before its subfolders, each by code point; the order of a tree walk."""
    *folders, name = path.split("/")
    return folders, name


def max_file_bytes(max_pixels: int) -> int:
    """Bytes above which no file is an image within `max_pixels`: 8 a pixel (16-bit RGBA), and 16 MiB."""
    return 8 * max_pixels + 2**24
