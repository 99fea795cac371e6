"""SUN397: folders in folders of one letter each; ClassName.txt lists the classes, such as /a/abbey.

Source: the published archive, and README of the set: 397 classes, some of two folders (/b/barn/indoor).
"""

from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.known_sets.listing_files import fields
from pipeline.datasets.listed_images import ListedImages, inside
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers

_NAMES = "ClassName.txt"


def is_sun397(root: Path) -> bool:
    """Whether a folder has the list of classes and the folder of the first class."""
    if not (root / _NAMES).is_file():
        return False
    first = next(fields(root / _NAMES, 1), [""])[0]
    return first.startswith("/") and (root / first.lstrip("/")).is_dir()


def read_sun397(config: DataConfig, root: Path) -> ListedImages:
    """Read the scenes; the set's ten published partitions are in separate files, and not read.

    Raises:
        ValueError: the list of classes is missing, or one of them has no folder.
    """
    inner = below_wrappers(root)
    if not is_sun397(inner):
        raise ValueError(f"{root}: expected {_NAMES} and the folders that it names (SUN397)")
    names = [inside(name.lstrip("/"), inner) for (name,) in fields(inner / _NAMES, 1)]
    entries = []
    for name in names:
        if not (inner / name).is_dir():
            raise ValueError(f"{inner / _NAMES}: expected a folder {name}, found none")
        start = f"{below(root, inner)}{name}"
        for folder, _, files in walk(inner / name):
            place = f"{start}/{folder}" if folder else start
            entries += [Entry(f"{place}/{f.name}", None, name) for f in files if is_image_name(f.name)]
    return ListedImages(root, entries, max_bytes=max_file_bytes(config.max_pixels), class_names=tuple(names))


SUN397 = Format(read_sun397, is_sun397)
