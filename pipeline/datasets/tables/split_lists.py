"""Text files beside a table that list the images of a split, such as train_val_list.txt."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from pipeline.datasets.foreign_paths import path_parts
from pipeline.datasets.split_words import role_of
from pipeline.datasets.text_files import text_of

_TRIED = 20  # lines of a file that are compared with the table
_TRAIN_AND_VAL = re.compile(r"train[\W_]*val(id|idation)?(?![a-z])")


@dataclass(frozen=True)
class SplitLists:
    """The split of each image, by its name in the table."""

    counts: dict[str, int] = field(default_factory=dict)  # file -> images of the table
    _splits: dict[str, str] = field(default_factory=dict)

    @classmethod
    def beside(cls, table: Path, names: Iterable[str]) -> "SplitLists":
        """The .txt files in the table's folder that are named for a split and list its images, one per line.

        A list of training and validation images together is used if there is no separate one of either.

        Args:
            names: of the images, as in the table.

        Raises:
            ValueError: an image is in two lists.
        """
        known = {key: name for name in names for key in _keys(name)}
        files = {
            path: role
            for path in sorted(table.parent.glob("*.txt"))
            if path.is_file() and (role := _role(path.stem)) and _lists_images(path, known)
        }
        if {"train", "val"} & set(files.values()):
            files = {path: role for path, role in files.items() if role != "trainval"}
        found: dict[str, str] = {}
        counts = {}
        for path, role in files.items():
            listed = {known[key] for line in _lines(path) if (key := _key(line)) in known}
            counts[path.name] = len(listed)
            if twice := next((name for name in sorted(listed) if name in found), None):
                raise ValueError(f"{path}: expected images of one split, found {twice} in another list too")
            found |= dict.fromkeys(listed, role)
        return cls(counts, found)

    def split_of(self, name: str) -> str | None:
        """The split of an image; None if it is in no list."""
        return self._splits.get(name)

    @property
    def note(self) -> str | None:
        """The names of the lists read; None if there are none."""
        files = (f"{name} ({count} images)" for name, count in self.counts.items())
        return f"splits: by {', '.join(files)}" if self.counts else None


def _role(stem: str) -> str | None:
    if _TRAIN_AND_VAL.search(stem.lower()):
        return "trainval"
    role = role_of(stem)
    return role if role in ("train", "val", "test") else None


def _lists_images(path: Path, known: dict[str, str]) -> bool:
    keys = [_key(line) for line in islice(_lines(path), _TRIED)]
    return bool(keys) and 2 * sum(key in known for key in keys) > len(keys)


def _lines(path: Path) -> Iterable[str]:
    return (line for line in text_of(path).splitlines() if line.strip())


def _key(name: str) -> str:
    return "/".join(path_parts(name))


def _keys(name: str) -> Iterable[str]:
    """Possible names of an image in a list: its path, with or without suffix."""
    key = _key(name)
    return (key, PurePosixPath(key).with_suffix("").as_posix()) if key else ()
