"""Finding images that other files name, wherever they lie below a folder."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.tree import walk

NO_IMAGE = "no such image in the folder"


class Place(NamedTuple):
    """Where one image lies, relative to the folder of the data set, or why it is not known."""

    path: str
    problem: str | None = None


def images_by_name(root: Path) -> dict[str, list[tuple[str, ...]]]:
    """Name -> the paths, as folders and name, of the image files below `root` that have it."""
    found = defaultdict(list)
    for folder, _, files in walk(root):
        start = tuple(folder.split("/")) if folder else ()
        for file in files:
            if is_image_name(file.name):
                found[file.name].append((*start, file.name))
    return found


def place_of(words: tuple[str, ...], found: list[tuple[str, ...]]) -> Place:
    """Of the images that have the name `words[-1]`, the one whose path ends in most of `words`."""
    name = "/".join(words)
    if not found:
        return Place(name, NO_IMAGE)
    most = max(_num_shared(path, words) for path in found)
    found = [path for path in found if _num_shared(path, words) == most]
    if len(found) > 1:
        first, second = ("/".join(path) for path in found[:2])
        return Place(name, f"{len(found)} images have this name, such as {first} and {second}")
    return Place("/".join(found[0]))


def _num_shared(path: tuple[str, ...], words: tuple[str, ...]) -> int:
    """How many folders and names two paths have in common, from their ends on."""
    num = 0
    for one, other in zip(reversed(path), reversed(words), strict=False):
        if one != other:
            break
        num += 1
    return num
