"""Data sets with class folders below images/ and lists of their official splits: DTD and Food-101."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.known_sets.listing_files import fields
from pipeline.datasets.listed_images import ListedImages, inside, num_unlisted
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.wrappers import below, below_wrappers


def has_lists(lists: Mapping[str, str]) -> Callable[[Path], bool]:
    """Whether a folder has images/ and the lists."""
    return lambda root: (root / "images").is_dir() and all((root / name).is_file() for name in lists.values())


def read_class_lists(
    lists: Mapping[str, str], note: str | None, config: DataConfig, root: Path
) -> ListedImages:
    """Read lists of `<class>/<image>`, with or without .jpg.

    Args:
        lists: split -> its list, below the folder.
        note: a remark for the user on the split.

    Raises:
        ValueError: a list is missing, or names a path outside the images.
    """
    inner = below_wrappers(root)
    if not has_lists(lists)(inner):
        raise ValueError(f"{root}: expected images/ and {', '.join(lists.values())}")
    entries = []
    for split, name in lists.items():
        for (image,) in fields(inner / name, 1):
            path = inside(image if is_image_name(image) else f"{image}.jpg", inner)
            entries.append(Entry(f"{below(root, inner)}images/{path}", split, path.split("/")[0]))
    return ListedImages(
        root,
        entries,
        max_bytes=max_file_bytes(config.max_pixels),
        num_outside=num_unlisted(root, entries),
        notes=(note,) if note else (),
    )


def _format(lists: Mapping[str, str], note: str | None = None) -> Format:
    return Format(partial(read_class_lists, lists, note), has_lists(lists))


# Source: README of dtd-r1.0.1: ten partitions into thirds.
DTD = _format(
    {split: f"labels/{split}1.txt" for split in ("train", "val", "test")},
    "split: the first of the ten published ones (labels/*1.txt)",
)
# Source: README of food-101: the training images are noisy by intent.
FOOD_101 = _format({split: f"meta/{split}.txt" for split in ("train", "test")})
