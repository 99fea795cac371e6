"""Images in a folder with the objects read from files beside them."""

from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.annotated_files import AnnotatedFiles
from pipeline.datasets.source import Entry, Target


class ObjectImage(NamedTuple):
    """An image and its objects."""

    split: str | None
    path: str  # relative to the source, with "/"
    annotated: Target | None
    problem: str | None = None


class ObjectSource(AnnotatedFiles):
    """Images below `root`, whose objects are already in memory."""

    annotation = "objects"

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
        entries = [Entry(x.path, x.split, problem=x.problem, target=x.annotated) for x in images]
        super().__init__(root, entries, class_names, max_pixels, notes)
        self.category_ids = category_ids

    def __reduce__(self):
        # Worker processes receive the entries with their objects, chunk by chunk.
        return _reader, (self._root, self._max_pixels)

    def target(self, entry: Entry) -> Target:
        """The objects of an entry, not yet checked."""
        return entry.target


def _reader(root: Path, max_pixels: int) -> ObjectSource:
    return ObjectSource(root, [], class_names=(), category_ids=(), max_pixels=max_pixels)
