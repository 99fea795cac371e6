"""Image files of a folder that are listed by something beside them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.source import Entry


class ListedFiles:
    """The images below `root` that `entries` name, in their order.

    Args:
        class_names: in label order; None: see `pipeline.datasets.source.Source`.
        notes: remarks on how ambiguous files were understood, one line each.
    """

    access = "random"
    num_outside = 0

    def __init__(
        self,
        root: Path,
        entries: Sequence[Entry],
        *,
        class_names: tuple[str, ...] | None,
        max_bytes: int,
        notes: tuple[str, ...],
    ) -> None:
        self.class_names = class_names
        self.notes = notes
        self._root = root
        self._entries = entries
        self._files = ImageFolder(root, max_bytes=max_bytes)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> Iterator[Entry]:
        """Every image, in order."""
        yield from self._entries

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of a file below the root; as `ImageFolder.read`."""
        return self._files.read(path, start, size)
