"""Common layouts: a folder of images beside a folder of masks, or lists of an image and its mask.

`images/` and `masks/` may have split folders below them, or lie in split folders; or `train_labels/` lies
beside `train/`; or train.txt, val.txt and test.txt hold lines of "image mask".
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.label_maps.pair_lists import listed_pairs, lists_in
from pipeline.datasets.label_maps.pairs import called_after, holds_images, paired_folders, stems_in
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.split_words import role_of

# The first pair of words that matches is used, in any case; masks count only if the folder holds images, not
# e.g. text.
_IMAGES = ("images", "image", "imgs", "img", "img_dir", "jpegimages", "original", "photos")
_MASKS = (
    "masks", "mask", "labels", "label", "annotations", "ann_dir", "gt", "ground_truth", "groundtruth",
    "segmentation", "segmentations",
)  # fmt: skip
_BESIDE_SPLIT = ("_labels", "_masks")  # appended to the name of a split's folder of images


def _is_present(root: Path) -> bool:
    return bool(lists_in(root)) or bool(_folders(root))


def _folders(root: Path) -> list[tuple[str | None, str, str]]:
    """(split, images, masks) of every pair of folders; the split is None if it is to be found below."""
    inside = _folders_in(root)
    places = {"": None} | {f"{name}/": name for name in inside if role_of(name)}
    found = []
    for place, split in places.items():
        below = {name.lower(): place + name for name in _folders_in(root / place)}
        images, masks = (
            next((below[word] for word in words if word in below and holds_images(root, below[word])), None)
            for words in (_IMAGES, _MASKS)
        )
        if images and masks and (masks := _with_their_names(root, images, masks)):
            found.append((split, images, masks))
        for ending in _BESIDE_SPLIT if split else ():
            if holds_images(root, split + ending) and holds_images(root, split):
                found.append((split, split, split + ending))
    return found or list(_sisters(root, inside))


def _folders_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))


def _sisters(root: Path, names: list[str]) -> Iterator[tuple[str, str, str]]:
    """(split, images, masks) of folders named train_images and train_masks, or images_x and masks_x."""
    by_lower = {name.lower(): name for name in names}
    for lower, name in by_lower.items():
        for word, other in product(_IMAGES, _MASKS) if role_of(name) else ():
            masks = by_lower.get(re.sub(rf"(?<![a-z]){word}(?![a-z])", other, lower, count=1))
            if masks and masks != name and holds_images(root, masks) and holds_images(root, name):
                if called_after(stems_in(root, name), stems_in(root, masks)):
                    yield name, name, masks
                break


def _with_their_names(root: Path, images: str, masks: str) -> str | None:
    """The folder of masks, or a subfolder of it, in which some are named like the images."""
    stems = stems_in(root, images)
    inside = sorted(path for path in (root / masks).iterdir() if path.is_dir() and not is_hidden(path.name))
    places = [masks, *(f"{masks}/{path.name}" for path in inside)]
    return next((place for place in places if called_after(stems, stems_in(root, place))), None)


def _pairs(root: Path) -> list[Pair]:
    if lists_in(root):
        return listed_pairs(root)
    pairs = []
    for split, images, masks in _folders(root):
        found = paired_folders(root, images, masks, split)
        pairs += found if split else [_with_split(pair, len(images) + 1) for pair in found]
    return pairs


def _with_split(pair: Pair, start: int) -> Pair:
    """The pair with the split named by the first folder of the image's path after `start` characters."""
    folder = pair.image[start:].rpartition("/")[0].split("/")[0]
    return pair._replace(split=folder if role_of(folder) else None)


IMAGE_MASKS = LabelMapFormat(
    layout=f'folders named {" or ".join(_IMAGES)} and {" or ".join(_MASKS)}, or lists of "image mask" lines',
    is_present=_is_present,
    pairs=_pairs,
    class_names=lambda root: None,
    ignored=(255,),
)
