"""Detects class folders with files of equal names: views of one picture, not classes."""

import re
from collections import defaultdict
from typing import NamedTuple

from pipeline.datasets.image_names import stem_and_suffix
from pipeline.datasets.layout import Layout

_FEWEST = 3  # files in different formats; fewer may have equal names by chance
_FEWEST_ODD = 5  # files of names that are no running numbers
_GAPS = 2  # numbers for each file, where some have been left out
_NUMBERED = re.compile(r"(.*?)([0-9]{1,18})")


class _Names(NamedTuple):
    """The names in one folder, in little memory."""

    count: int
    mixed: int  # a hash of all names without suffix, independent of their order
    suffixes: frozenset[str]
    is_running: bool  # the names count from one number to another, as tools name the files of each folder


class ParallelFolders:
    """Collects the names of images, folder by folder."""

    def __init__(self) -> None:
        self._folders: dict[str, _Names] = {}

    def add(self, folder: str, names: list[str]) -> None:
        """Add the images of a folder."""
        mixed, suffixes, stems = 0, set(), []
        for name in names:
            stem, suffix = stem_and_suffix(name)
            mixed ^= hash(stem)
            stems.append(stem)
            suffixes.add(suffix)
        self._folders[folder] = _Names(len(names), mixed, frozenset(suffixes), _is_running(stems))

    def notes(self, layout: Layout) -> tuple[str, ...]:
        """A line on class folders whose files have equal names.

        Many tools number the files of each class, with one suffix; photographs and images derived from them
        differ in format, or are not named by a running number.
        """
        by_class: dict[str, dict[str, _Names]] = defaultdict(dict)
        for folder, names in self._folders.items():
            place = layout.split_and_class(folder)
            if place and place[1]:
                by_class[place[1]]["/".join(part for part in folder.split("/") if part != place[1])] = names
        alike: dict[frozenset, list[str]] = defaultdict(list)
        for name, folders in by_class.items():
            if sum(found.count for found in folders.values()) >= _FEWEST:
                alike[frozenset((f, n.count, n.mixed) for f, n in folders.items())].append(name)
        for names in alike.values():
            found = [each for name in names for each in by_class[name].values()]
            formats = {frozenset().union(*(n.suffixes for n in by_class[name].values())) for name in names}
            is_by_chance = any(n.is_running for n in found) or sum(n.count for n in found) < 2 * _FEWEST_ODD
            if len(formats) > 1 or (len(names) > 1 and not is_by_chance):
                shown = ", ".join(f"{name}/" for name in sorted(names))
                of = " in different formats" if len(formats) > 1 else ""
                return (
                    f"caution: the folders {shown} hold files of equal names{of}, and are "
                    "taken for classes; to leave one out state data.parts = "
                    f'{{ "{max(names)}" = "unused" }}',
                )
        return ()


def _is_running(stems: list[str]) -> bool:
    """Whether names are one word and the numbers from one to another."""
    found = [_NUMBERED.fullmatch(stem) for stem in stems]
    if not all(found) or len({match[1] for match in found}) > 1:
        return False
    numbers = [int(match[2]) for match in found]
    return max(numbers) - min(numbers) < _GAPS * len(numbers)
