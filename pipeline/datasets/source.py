"""The interface of all readers: the entries of a source, reading an image, and its annotation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from pipeline.config.data import DataConfig

Annotation = Literal["class", "label-map", "objects"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One image in the listing of its source, not yet decoded."""

    path: str  # relative to the source, with "/"; of archives and arrays a name, never joined to a folder
    split: str | None = None  # as named by the source
    class_name: str | None = None
    start: int = -1  # archives: first byte of the member; arrays: row
    size: int = -1  # bytes in the file or archive, if known
    data: bytes | None = None  # only if the source can be read in no way but front to back
    problem: str | None = None  # why it is refused without being read
    target: Any = None  # what `Source.target` needs


class BadAnnotation(ValueError):
    """An image's annotation is unusable; the message is the reason, without the image's name."""


class Packed(Protocol):
    """A checked target, ready to be stored."""

    digest: bytes  # SHA-256 of its content


class Target(Protocol):
    """An image's annotation besides a class, not yet checked against the image."""

    size: tuple[int, int] | None  # (width, height) in pixels of the image that was annotated, if known
    is_upright: bool  # annotated with the image's EXIF orientation applied; else `size` tells

    def packed(self, width: int, height: int) -> Packed:
        """The annotation of an image of this size.

        Raises:
            BadAnnotation: it does not fit the image, or is invalid.
        """


class Source(Protocol):
    """A readable data set. Can be pickled, so that worker processes can read from it too."""

    # "random": read() at any time, also after preparing. "sequential": only entries() gives the data.
    # "memory": decoded arrays, read() while preparing.
    access: Literal["random", "sequential", "memory"]
    annotation: Annotation  # "class": an entry's class name, or None
    # In label order, if the source names them; None: the sorted names of the classes found, or the numbers up
    # to the highest label found.
    class_names: tuple[str, ...] | None
    num_outside: int  # images beside the split folders, which belong to no split
    notes: tuple[str, ...]  # remarks on how the source was read, one line each; doubts begin with "caution: "

    def __len__(self) -> int:
        """Number of entries."""

    def entries(self) -> Iterator[Entry]:
        """Every entry, in an order that depends on the source alone."""

    def read(self, path: str, start: int, size: int) -> bytes | np.ndarray:
        """File bytes, or (H, W) or (H, W, C) uint8. Safe to call from many threads."""


class AnnotatedSource(Source, Protocol):
    """A source of label maps or objects."""

    category_ids: Sequence[int]  # of each class, as numbered in the source, else from 1; empty for label maps

    def target(self, entry: Entry) -> Target:
        """The annotation of an entry.

        Raises:
            BadAnnotation: it is missing, cannot be read or is invalid.
        """


@dataclass(frozen=True, slots=True)
class Format:
    """A layout of images and their classes in a folder or file."""

    read: Callable[[DataConfig, Path], Source]
    # Whether a folder without wrappers around it, or a file, has this format; for `data.format = "auto"`.
    is_present: Callable[[Path], bool]
    of_files: bool = False  # whether a file can have it
    of_folders: bool = True


def path_order(path: str) -> tuple[list[str], str]:
    """Sort key: a folder's files before its subfolders, each by code point; the order of a tree walk."""
    *folders, name = path.split("/")
    return folders, name


def max_file_bytes(max_pixels: int) -> int:
    """No image within `max_pixels` has a larger file: 8 bytes per pixel (16-bit RGBA), and 16 MiB."""
    return 8 * max_pixels + 2**24
