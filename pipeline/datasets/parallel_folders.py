"""Detects class folders with files of equal names in different formats: views of one picture, not classes."""

from collections import defaultdict
from typing import NamedTuple

from pipeline.datasets.image_names import stem_and_suffix
from pipeline.datasets.layout import Layout

_FEWEST = 3  # files; fewer may have equal names by chance


class _Names(NamedTuple):
    """The names in one folder, in little memory."""

    count: int
    mixed: int  # a hash of all names without suffix, independent of their order
    suffixes: frozenset[str]


class ParallelFolders:
    """Collects the names of images, folder by folder."""

    def __init__(self) -> None:
        self._folders: dict[str, _Names] = {}

    def add(self, folder: str, names: list[str]) -> None:
        """Add the images of a folder."""
        mixed, suffixes = 0, set()
        for name in names:
            stem, suffix = stem_and_suffix(name)
            mixed ^= hash(stem)
            suffixes.add(suffix)
        self._folders[folder] = _Names(len(names), mixed, frozenset(suffixes))

    def notes(self, layout: Layout) -> tuple[str, ...]:
        """A line on class folders whose files have equal names and different suffixes.

        Many tools number the files of each class, with one suffix; photographs and images derived from them
        differ in format.
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
            formats = {frozenset().union(*(n.suffixes for n in by_class[name].values())) for name in names}
            if len(formats) > 1:
                shown = ", ".join(f"{name}/" for name in sorted(names))
                return (
                    f"caution: the folders {shown} hold files of equal names in different formats, and are "
                    "taken for classes; to leave one out state data.parts = "
                    f'{{ "{max(names)}" = "unused" }}',
                )
        return ()
