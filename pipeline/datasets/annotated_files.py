"""Base class of sources of label maps and of objects: images in a folder, annotated by files beside them."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.datasets.listed_files import ListedFiles
from pipeline.datasets.source import Entry, max_file_bytes


class AnnotatedFiles(ListedFiles):
    """Images below `root`; a subclass reads their annotations in `target`, and sets `annotation`."""

    category_ids: tuple[int, ...] = ()

    def __init__(
        self,
        root: Path,
        entries: Sequence[Entry],
        class_names: tuple[str, ...] | None,
        max_pixels: int,
        notes: tuple[str, ...] = (),
    ) -> None:
        max_bytes = max_file_bytes(max_pixels)
        super().__init__(root, entries, class_names=class_names, max_bytes=max_bytes, notes=notes)
        self._max_pixels = max_pixels
