"""Finds the images that a list names, whose paths may come from other machines."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipeline.datasets.foreign_paths import path_parts
from pipeline.datasets.images_by_name import ImagePath, locate
from pipeline.datasets.split_words import folder_role, role_of
from pipeline.datasets.tables.columns import IMAGES_ALONE
from pipeline.datasets.tree import walk

_TRIED = 20  # names of a list that are searched for in each folder
_SHOWN = 3  # leading folders that a note lists

Words = tuple[str, ...]


class ListedPaths:
    """The images of a list, searched for only below its folder.

    Drives, `/` and `..` are dropped from paths. The first names that are found decide three things: the
    folder to which names are relative, the list's own or one directly in it; how many leading folders to
    drop; the suffix of names without one. A name that does not exist then is searched for in all folders: it
    is the image whose path ends in the whole name, in no folder of another split.

    Args:
        file: the list.
        names: of its images, as in the list.
        suffixes: of images, in lower case.

    Raises:
        ValueError: none of the first names is found below the folder.
    """

    def __init__(self, file: Path, names: list[str], suffixes: Collection[str]) -> None:
        self._root = file.parent
        self._stem = file.stem
        self._suffixes = suffixes
        self._names = names
        self._folder = self._suffix = ""
        self._lead: Words = ()
        self._num_kept = 0  # parts of the deciding name that were kept
        self._leads: dict[str, None] = {}  # leading folders that were dropped, in the order found
        if not self._decide([words for name in names[:_TRIED] if (words := path_parts(name))]):
            first = names[0] if names else ""
            raise ValueError(
                f"{file}: its images, such as {first!r}, are neither in {file.parent} nor in a folder below "
                f"it; {IMAGES_ALONE}"
            )

    def _decide(self, tried: list[Words]) -> bool:
        """Find a name, dropping as few leading folders as possible; return whether one was found."""
        for num_left_out in range(max(map(len, tried), default=0)):
            for is_there in (self._is_in_folder, self._is_anywhere):
                for words in tried:
                    if num_left_out < len(words) and is_there(words[num_left_out:]):
                        self._lead, self._num_kept = words[:num_left_out], len(words) - num_left_out
                        return True
        return False

    def _is_in_folder(self, words: Words) -> bool:
        for folder in self._folders:
            for suffix in ("",) if self._has_suffix(words[-1]) else sorted(self._suffixes):
                if os.path.isfile(self._root / f"{folder}{'/'.join(words)}{suffix}"):
                    self._folder, self._suffix = folder, suffix
                    return True
        return False

    def _is_anywhere(self, words: Words) -> bool:
        return bool(self._found(words, None))

    def locate(self, name: str, split: str | None) -> ImagePath:
        """The path of one image, relative to the list's folder; for a missing image, the path it should have.

        Args:
            name: one of the list's.
            split: the image's split in the list.

        Raises:
            ValueError: the name is not a path.
        """
        words = path_parts(name)
        if not words or "\0" in name:
            raise ValueError(f"expected the path of an image, found {name!r}")
        if self._lead and words[: len(self._lead)] != self._lead:
            return self._from_another_machine(words)
        kept = words[len(self._lead) :]
        if not kept:
            raise ValueError(f"expected the path of an image, found {name!r}")
        self._note(self._lead)
        path = self._path(kept)
        if not os.path.isfile(self._root / path) and (found := self._found(kept, split)):
            return locate(kept, found)
        return ImagePath(path)

    def _from_another_machine(self, words: Words) -> ImagePath:
        """A path whose leading folders differ from those of the deciding name."""
        for num_left_out in range(max(1, len(words) - self._num_kept + 1)):
            path = self._path(words[num_left_out:])
            if os.path.isfile(self._root / path):
                self._note(words[:num_left_out])
                return ImagePath(path)
        return ImagePath("/".join(words))

    def _path(self, words: Words) -> str:
        return f"{self._folder}{'/'.join(words)}{'' if self._has_suffix(words[-1]) else self._suffix}"

    def _has_suffix(self, name: str) -> bool:
        return PurePosixPath(name).suffix.lower() in self._suffixes

    def _found(self, words: Words, split: str | None) -> list[Words]:
        """The images whose path ends in these words, in no folder of another split."""
        role = role_of(split) if split else None
        return [
            path
            for path in self._by_name.get(words[-1], ())
            if path[-len(words) : -1] == words[:-1]
            and (role is None or folder_role("/".join(path)) in (None, role))
        ]

    @cached_property
    def _by_name(self) -> dict[str, list[Words]]:
        """Name, with or without suffix as in the list -> paths of images with this name."""
        wanted = {words[-1] for name in self._names if (words := path_parts(name))}
        found = defaultdict(list)
        for folder, _, files in walk(self._root):
            start = tuple(folder.split("/")) if folder else ()
            for file in files:
                path = PurePosixPath(file.name)
                if path.suffix.lower() not in self._suffixes:
                    continue
                for key in wanted.intersection((path.name, path.stem)):
                    found[key].append((*start, path.name))
        return found

    @cached_property
    def _folders(self) -> list[str]:
        inside = sorted(path.name for path in self._root.iterdir() if path.is_dir())
        inside.sort(key=lambda name: name not in ("images", self._stem, f"{self._stem}_images"))
        return ["", *(f"{name}/" for name in inside)]

    def _note(self, lead: Iterable[str]) -> None:
        if lead:
            self._leads.setdefault("/".join(lead))

    @property
    def note(self) -> str | None:
        """Lists the leading folders that were dropped; None: none were."""
        if not self._leads:
            return None
        shown = ", ".join(f"{lead}/" for lead in list(self._leads)[:_SHOWN])
        more = f", and {len(self._leads) - _SHOWN} others" * (len(self._leads) > _SHOWN)
        return f"paths: read without the leading folders {shown}{more}, which are not there"
