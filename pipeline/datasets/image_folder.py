"""A tree of image files on disk."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.layout import Layout
from pipeline.datasets.source import Entry
from pipeline.datasets.tree import walk
from pipeline.images import UndecodableImage


class ImageFolder:
    """Images in folders of any depth; see `pipeline.datasets.layout` for what the folders mean.

    Files without an image's suffix and hidden files are passed over. Links are followed.
    """

    access = "random"
    annotation = "class"
    class_names = None

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes

    def __reduce__(self):
        return _image_folder, (self._root, self._max_bytes)

    @cached_property
    def _listing(self) -> tuple[Layout, int, int]:
        """(layout, number of images inside it, number of images outside the split folders)."""
        counts: dict[str, int] = {}
        for folder, _, files in walk(self._root):
            if num_images := sum(is_image_name(entry.name) for entry in files):
                counts[folder] = num_images
        layout = Layout.of(counts)
        inside = sum(count for folder, count in counts.items() if layout.place(folder) is not None)
        return layout, inside, sum(counts.values()) - inside

    @property
    def num_outside(self) -> int:
        """Images that lie beside the split folders."""
        return self._listing[2]

    def __len__(self) -> int:
        return self._listing[1]

    def entries(self) -> Iterator[Entry]:
        """Every image file, in the order of `path_order`, one folder in memory at a time."""
        layout = self._listing[0]
        for folder, _, files in walk(self._root):
            place = layout.place(folder)
            if place is None:
                continue
            for file in files:
                if is_image_name(file.name):
                    yield _entry(file, f"{folder}/{file.name}" if folder else file.name, place)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of the file at `path` below the root; `start` and `size` are not used.

        Raises:
            UndecodableImage: the file is too large to be an image within the pixel limit.
            OSError: it cannot be read.
        """
        with open(self._root / path, "rb") as stream:
            num_bytes = os.fstat(stream.fileno()).st_size
            if num_bytes > self._max_bytes:
                raise UndecodableImage(f"{num_bytes} bytes, more than {self._max_bytes}, the largest image")
            return stream.read()


def _image_folder(root: Path, max_bytes: int) -> ImageFolder:
    return ImageFolder(root, max_bytes=max_bytes)


def _entry(file: os.DirEntry, path: str, place: tuple[str | None, str | None]) -> Entry:
    split, class_name = place
    try:
        size = file.stat().st_size
    except OSError as error:
        return Entry(path, split, class_name, problem=f"cannot be read: {error.strerror}")
    return Entry(path, split, class_name, size=size)
