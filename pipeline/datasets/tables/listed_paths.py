"""Where the images lie that a list names, as other people's machines write their paths."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipeline.datasets.foreign_paths import path_parts
from pipeline.datasets.images_by_name import Place, place_of
from pipeline.datasets.split_words import folder_role, role_of
from pipeline.datasets.tables.columns import IMAGES_ALONE
from pipeline.datasets.tree import walk

_TRIED = 20  # names of a list that are looked for in each folder
_SHOWN = 3  # folders of other machines that a note lists

Words = tuple[str, ...]


class ListedPaths:
    """The images of a list below its folder, and nowhere else.

    Drives, `/` and `..` are left out of paths. The first names that are found decide: the folder that they
    count from, the list's own or one directly below; how many leading folders are of another machine; the
    suffix of names without one. A name that is not there then is looked for in all folders: it is the image
    whose path ends in all that the list says of it, in no folder of another split.

    Args:
        file: the list.
        names: of its images, as it has them.
        suffixes: of images, in lower case.

    Raises:
        ValueError: none of the first names is anywhere below the folder.
    """

    def __init__(self, file: Path, names: list[str], suffixes: Collection[str]) -> None:
        self._root = file.parent
        self._stem = file.stem
        self._suffixes = suffixes
        self._names = names
        self._folder = self._suffix = ""
        self._lead: Words = ()
        self._num_kept = 0  # parts of the name that decided
        self._leads: dict[str, None] = {}  # leading folders that were left out, in the order found
        if not self._decide([words for name in names[:_TRIED] if (words := path_parts(name))]):
            first = names[0] if names else ""
            raise ValueError(
                f"{file}: its images, such as {first!r}, are neither in {file.parent} nor in a folder below "
                f"it; {IMAGES_ALONE}"
            )

    def _decide(self, tried: list[Words]) -> bool:
        """Whether a name is found; the fewest leading folders are left out that it takes."""
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

    def place(self, name: str, split: str | None) -> Place:
        """The place of one image, relative to the list's folder; one that is missing is where it should be.

        Args:
            name: one of the list.
            split: that the list says.

        Raises:
            ValueError: the name is no path.
        """
        words = path_parts(name)
        if not words or "\0" in name:
            raise ValueError(f"expected the path of an image, found {name!r}")
        if self._lead and words[: len(self._lead)] != self._lead:
            return self._of_another_machine(words)
        kept = words[len(self._lead) :]
        if not kept:
            raise ValueError(f"expected the path of an image, found {name!r}")
        self._note(self._lead)
        path = self._path(kept)
        if not os.path.isfile(self._root / path) and (found := self._found(kept, split)):
            return place_of(kept, found)
        return Place(path)

    def _of_another_machine(self, words: Words) -> Place:
        """A path with leading folders that are not those of the name that decided."""
        for num_left_out in range(max(1, len(words) - self._num_kept + 1)):
            path = self._path(words[num_left_out:])
            if os.path.isfile(self._root / path):
                self._note(words[:num_left_out])
                return Place(path)
        return Place("/".join(words))

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
        """Name, with or without suffix as the list has it -> paths of images that have it."""
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
        """Which leading folders were left out; None: none were."""
        if not self._leads:
            return None
        shown = ", ".join(f"{lead}/" for lead in list(self._leads)[:_SHOWN])
        more = f", and {len(self._leads) - _SHOWN} others" * (len(self._leads) > _SHOWN)
        return f"paths: read without the leading folders {shown}{more}, which are not there"
