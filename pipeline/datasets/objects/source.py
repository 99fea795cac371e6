"""Images in a folder with the objects that were read from files beside them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.source import Entry, Target, max_file_bytes


class ObjectImage(NamedTuple):
    """An image and its objects."""

    split: str | None
    path: str  # relative to the source, with "/"
    annotated: Target | None
    problem: str | None = None


class ObjectSource:
    """Images below `root`, whose objects are in memory already."""

    access = "random"
    annotation = "objects"
    num_outside = 0
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        root: Path,
        images: list[ObjectImage],
        *,
        class_names: tuple[str, ...],
        category_ids: tuple[int, ...],
        max_pixels: int,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.class_names = class_names
        self.category_ids = category_ids
        self.notes = notes  # how the files were understood where they do not say it themselves, a line each
        self._root = root
        self._images = images
        self._max_pixels = max_pixels
        self._files = ImageFolder(root, max_bytes=max_file_bytes(max_pixels))

    def __reduce__(self):
        # Worker processes are handed the entries with their objects, chunk by chunk.
        return _reader, (self._root, self._max_pixels)

    def __len__(self) -> int:
        return len(self._images)

    def entries(self) -> Iterator[Entry]:
        """Every image, in order."""
        for image in self._images:
            yield Entry(image.path, image.split, problem=image.problem, target=image.annotated)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of an image; as `ImageFolder.read`."""
        return self._files.read(path, start, size)

    def target(self, entry: Entry) -> Target:
        """The objects of an entry, not yet looked at."""
        return entry.target


def _reader(root: Path, max_pixels: int) -> ObjectSource:
    return ObjectSource(root, [], class_names=(), category_ids=(), max_pixels=max_pixels)
