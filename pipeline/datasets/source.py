"""What every reader gives: the entries of a source, a way to read one, and what it is labelled with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pipeline.config.data import DataConfig

Annotation = Literal["class", "label-map", "objects"]


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
    target: Any = None  # what `Source.target` needs


class BadAnnotation(ValueError):
    """What an image is labelled with cannot be used; the message is the reason, without the image's name."""


class Packed(Protocol):
    """A checked target, ready to be stored."""

    digest: bytes  # SHA-256 of its content


class Target(Protocol):
    """What one image is labelled with besides a class, not yet checked against the image."""

    size: tuple[int, int] | None  # (width, height) in pixels of the image that it was made for, where known
    is_upright: bool  # made for the image with its EXIF orientation applied; else `size` tells

    def packed(self, width: int, height: int) -> Packed:
        """The target of an image of this size.

        Raises:
            BadAnnotation: it does not fit the image, or is wrong in itself.
        """


class Source(Protocol):
    """A readable data set. Picklable, so that worker processes can read from it too."""

    # "random": read() at any time, also after preparing. "sequential": only entries() hands out data.
    # "memory": decoded arrays, read() while preparing.
    access: Literal["random", "sequential", "memory"]
    annotation: Annotation  # "class": an entry's class name, or nothing
    # In label order, where the source says so; None: the sorted names of the classes found, or the numbers up
    # to the highest label found.
    class_names: tuple[str, ...] | None
    num_outside: int  # images that lie beside the split folders and belong to no split
    notes: tuple[str, ...]  # how the source was read, one line each; doubts begin with "caution: "

    def __len__(self) -> int:
        """Number of entries."""

    def entries(self) -> Iterator[Entry]:
        """Every entry, in an order that depends on the source alone."""

    def read(self, path: str, start: int, size: int) -> bytes | np.ndarray:
        """File bytes, or (H, W) or (H, W, C) uint8. Safe to call from many threads."""


class AnnotatedSource(Source, Protocol):
    """A source of label maps or objects."""

    category_ids: Sequence[int]  # of each class, as the source numbers it, else from 1; empty for label maps

    def target(self, entry: Entry) -> Target:
        """What an entry is labelled with.

        Raises:
            BadAnnotation: it is missing, cannot be read or is wrong in itself.
        """


@dataclass(frozen=True, slots=True)
class Format:
    """A way in which images and their classes lie in a folder or file."""

    read: Callable[[DataConfig, Path], Source]
    # Whether a folder without wrappers around it, or a file, is of this format; for `data.format = "auto"`.
    is_present: Callable[[Path], bool]
    of_files: bool = False  # whether a file can be of it
    of_folders: bool = True


def path_order(path: str) -> tuple[list[str], str]:
    """Sort key: a folder's files before its subfolders, each by code point; the order of a tree walk."""
    *folders, name = path.split("/")
    return folders, name


def max_file_bytes(max_pixels: int) -> int:
    """Bytes above which no file is an image within `max_pixels`: 8 a pixel (16-bit RGBA), and 16 MiB."""
    return 8 * max_pixels + 2**24
