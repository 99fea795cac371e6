"""Pascal VOC's masks in SegmentationClass/: palette images with classes as indices, or VOC's colours."""

from pathlib import Path

from pipeline.datasets.label_maps.pairs import holds_images
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.voc_layout import IMAGES, image_folder, images_by_name, listed_names

MASKS = "SegmentationClass"
_MASK_FOLDERS = (MASKS, "SegmentationClassPNG")  # the latter where labelme's older script put arrays in MASKS
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip


def voc_colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """The first colours of VOC's palette: red has the bits 0, 3, 6, ... of the number, highest first.

    Green has the bits 1, 4, 7, ..., blue 2, 5, 8, ....

    Source: VOCcode/VOClabelcolormap.m of the VOC 2012 development kit.
    """

    def level(number: int, channel: int) -> int:
        return sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8))

    return tuple(tuple(level(number, channel) for channel in range(3)) for number in range(count))


def _masks(root: Path) -> str | None:
    return next((name for name in _MASK_FOLDERS if holds_images(root, name)), None)


def _pairs(root: Path) -> list[Pair]:
    """Pairs from the lists in ImageSets/Segmentation/; without lists all masks are used, without splits."""
    images, folder = images_by_name(root), _masks(root)
    masks = {path.stem for path in (root / folder).glob("*.png")}
    listed = listed_names(root, "Segmentation", images)
    if listed is None:
        listed = [(None, name) for name in sorted(masks)]
    pairs = []
    for split, name in listed:
        problem = None if name in masks else f"no label map: expected {folder}/{name}.png"
        if name not in images:
            problem = "no such image, though it is listed or has a mask"
        image = images.get(name, f"{image_folder(root)}/{name}.jpg")
        pairs.append(Pair(split, image, f"{folder}/{name}.png", problem))
    return pairs


VOC_MASKS = LabelMapFormat(
    layout=f"the folders {IMAGES} and {MASKS}",
    is_present=lambda root: (root / image_folder(root)).is_dir() and _masks(root) is not None,
    pairs=_pairs,
    class_names=lambda root: CLASSES,
    published="Pascal VOC",
    ignored=(255,),  # borders of objects, and pixels that were too hard to label
    colours=voc_colours,
)
