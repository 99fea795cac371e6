"""Folder names -> split and class.

The rule: folders that hold everything else are wrappers and mean nothing. Below them, folders called train,
val, valid, validation or test (in any case) are splits. The first folder below a split, or below the wrappers
where there are no splits, is the class. An image without such a folder has no label.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the paths of one source are to be read."""

    num_wrappers: int  # leading folders that mean nothing
    has_splits: bool

    @classmethod
    def of(cls, folders: Iterable[str]) -> "Layout":
        """Find the layout from the folders that directly hold images ("" is the source itself)."""
        parts = [tuple(folder.split("/")) if folder else () for folder in folders]
        wrappers = _common_start(parts)
        for depth, name in enumerate(wrappers):
            if name.lower() in SPLIT_FOLDERS:
                wrappers = wrappers[:depth]
                break
        depth = len(wrappers)
        has_splits = any(len(p) > depth and p[depth].lower() in SPLIT_FOLDERS for p in parts)
        return cls(num_wrappers=depth, has_splits=has_splits)

    def place(self, folder: str) -> tuple[str | None, str | None] | None:
        """(split, class name) of the images in `folder`; None: they lie outside the split folders."""
        below = folder.split("/")[self.num_wrappers :] if folder else []
        if not self.has_splits:
            return None, below[0] if below else None
        if not below or below[0].lower() not in SPLIT_FOLDERS:
            return None
        return below[0], below[1] if len(below) > 1 else None


def _common_start(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders that all `paths` begin with."""
    if not paths:
        return ()
    first, last = min(paths), max(paths)
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]
