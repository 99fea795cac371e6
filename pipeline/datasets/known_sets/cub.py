"""Caltech-UCSD Birds 200-2011: four lists by image number.

Source: README of the published archive: images.txt, image_class_labels.txt, classes.txt, train_test_split.txt
(1 = training).
"""

from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.known_sets.listing_files import lookup, table
from pipeline.datasets.listed_images import ListedImages, inside
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.wrappers import below, below_wrappers

_IMAGES, _LABELS, _SPLITS, _CLASSES = (
    "images.txt",
    "image_class_labels.txt",
    "train_test_split.txt",
    "classes.txt",
)
_LISTS = (_IMAGES, _LABELS, _SPLITS, _CLASSES)
_SPLIT_OF = {"1": "train", "0": "test"}


def cub_folder(root: Path) -> Path | None:
    """The folder with the lists: `root`, or CUB_200_2011 in it, beside the segmentations."""
    folders = (root, root / "CUB_200_2011")
    return next((f for f in folders if all((f / name).is_file() for name in _LISTS)), None)


def read_cub(config: DataConfig, root: Path) -> ListedImages:
    """Read the birds, their species in the order of classes.txt, and the published split.

    Raises:
        ValueError: a list is missing or lacks an image.
    """
    inner = cub_folder(below_wrappers(root))
    if inner is None:
        raise ValueError(f"{root}: expected {', '.join(_LISTS)} (CUB-200-2011)")
    prefix = below(root, inner)
    labels, splits, names = (table(inner / name) for name in (_LABELS, _SPLITS, _CLASSES))
    entries = []
    for number, path in table(inner / _IMAGES).items():
        name = lookup(names, lookup(labels, number, inner / _LABELS), inner / _CLASSES)
        word = lookup(splits, number, inner / _SPLITS)
        split = lookup(_SPLIT_OF, word, inner / _SPLITS)
        entries.append(Entry(f"{prefix}images/{inside(path, inner)}", split, name))
    return ListedImages(
        root,
        entries,
        max_bytes=max_file_bytes(config.max_pixels),
        class_names=tuple(dict.fromkeys(names.values())),
    )


CUB = Format(read_cub, lambda path: cub_folder(path) is not None)
