"""Finds images that other files name, wherever they are below a folder."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.image_names import is_image_name, stem_and_suffix
from pipeline.datasets.tree import walk

NO_IMAGE = "no such image in the folder"


class ImagePath(NamedTuple):
    """Path of an image relative to the folder of the data set, or the reason why it is unknown."""

    path: str
    problem: str | None = None


def images_by_name(root: Path) -> dict[str, list[tuple[str, ...]]]:
    """Name -> paths, as tuples of folders and name, of all image files below `root` with this name."""
    found = defaultdict(list)
    for folder, _, files in walk(root):
        start = tuple(folder.split("/")) if folder else ()
        for file in files:
            if is_image_name(file.name):
                found[file.name].append((*start, file.name))
    return found


def images_by_loose_name(by_name: dict[str, list[tuple[str, ...]]]) -> dict[str, list[tuple[str, ...]]]:
    """`images_by_name` with names, and names without suffix, in lower case."""
    found = defaultdict(list)
    for name, paths in by_name.items():
        for key in {name.lower(), stem_and_suffix(name.lower())[0]}:
            found[key] += paths
    return found


def locate(words: tuple[str, ...], found: list[tuple[str, ...]]) -> ImagePath:
    """The image named `words[-1]` whose path shares the longest ending with `words`."""
    name = "/".join(words)
    if not found:
        return ImagePath(name, NO_IMAGE)
    most = max(_num_shared(path, words) for path in found)
    found = [path for path in found if _num_shared(path, words) == most]
    if len(found) > 1:
        first, second = ("/".join(path) for path in found[:2])
        return ImagePath(name, f"{len(found)} images have this name, such as {first} and {second}")
    return ImagePath("/".join(found[0]))


def _num_shared(path: tuple[str, ...], words: tuple[str, ...]) -> int:
    """Number of parts that two paths have in common, counted from their ends."""
    num = 0
    for one, other in zip(reversed(path), reversed(words), strict=False):
        if one != other:
            break
        num += 1
    return num
