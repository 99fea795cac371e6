"""Tiny ImageNet: class folders for training, and a list of the validation images' classes.

Source: the published archive: train/<class>/images, val/images with val/val_annotations.txt, test/images.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.known_sets.listing_files import table
from pipeline.datasets.listed_images import ListedImages, inside
from pipeline.datasets.source import Entry, Format, max_file_bytes
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers

_LIST = "val/val_annotations.txt"


def is_tiny_imagenet(root: Path) -> bool:
    """Whether a folder has the list and the training images."""
    return (root / "train").is_dir() and (root / _LIST).is_file()


def read_tiny_imagenet(config: DataConfig, root: Path) -> ListedImages:
    """Read the training and validation images; those of test/ have no published labels.

    Raises:
        ValueError: the list is missing, or names an image twice or outside its folder.
    """
    inner = below_wrappers(root)
    if not is_tiny_imagenet(inner):
        raise ValueError(f"{root}: expected train/ and {_LIST} (Tiny ImageNet)")
    entries = list(_entries(inner, below(root, inner)))
    return ListedImages(root, entries, max_bytes=max_file_bytes(config.max_pixels))


def _entries(root: Path, prefix: str) -> Iterator[Entry]:
    for folder in sorted(path for path in (root / "train").iterdir() if path.is_dir()):
        yield from _images(root, folder, prefix, "train", folder.name)
    for image, name in table(root / _LIST).items():
        yield Entry(f"{prefix}val/images/{inside(image, root)}", "val", name)
    if (root / "test").is_dir():
        yield from _images(root, root / "test", prefix, "test", None)


def _images(root: Path, folder: Path, prefix: str, split: str, name: str | None) -> Iterator[Entry]:
    for _, path, files in walk(folder):
        for file in files:
            if is_image_name(file.name):
                yield Entry(f"{prefix}{(Path(path) / file.name).relative_to(root).as_posix()}", split, name)


TINY_IMAGENET = Format(read_tiny_imagenet, is_tiny_imagenet)
