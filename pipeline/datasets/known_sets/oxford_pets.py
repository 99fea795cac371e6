"""Oxford-IIIT Pet: breeds, by annotations/trainval.txt and test.txt.

Source: annotations/README of the published archive: image, class id from 1, species, breed id.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.known_sets.listing_files import fields
from pipeline.datasets.listed_images import ListedImages, inside
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.wrappers import below, below_wrappers

_LISTS = {"trainval": "annotations/trainval.txt", "test": "annotations/test.txt"}


def is_oxford_pets(root: Path) -> bool:
    """Whether a folder has the lists and the images."""
    return (root / "images").is_dir() and all((root / name).is_file() for name in _LISTS.values())


def read_oxford_pets(config: DataConfig, root: Path) -> ListedImages:
    """Read the breeds, in the order of their ids; trainval is the training part.

    Raises:
        ValueError: a list is missing, or a class id has two names.
    """
    inner = below_wrappers(root)
    if not is_oxford_pets(inner):
        raise ValueError(f"{root}: expected images/ and {', '.join(_LISTS.values())} (Oxford pets)")
    names: dict[int, str] = {}
    entries = list(_entries(inner, below(root, inner), names))
    return ListedImages(
        root,
        entries,
        max_bytes=max_file_bytes(config.max_pixels),
        class_names=tuple(names[number] for number in sorted(names)),
    )


def _entries(root: Path, prefix: str, names: dict[int, str]) -> Iterator[Entry]:
    for split, file in _LISTS.items():
        for image, number in fields(root / file, 2):
            breed = inside(image, root).rpartition("_")[0]
            if not number.isdecimal() or names.setdefault(int(number), breed) != breed:
                known = names.get(int(number)) if number.isdecimal() else "a number"
                raise ValueError(f"{root / file}: {image}: expected class {number} to be {known}")
            yield Entry(f"{prefix}images/{image}.jpg", split, breed)


OXFORD_PETS = Format(read_oxford_pets, is_oxford_pets)
