"""Pascal VOC's masks: palette images in SegmentationClass/, whose indices are the classes."""

from pathlib import Path

from pipeline.datasets.label_maps.pairs import holds_images
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.voc_layout import IMAGES, images_by_name, listed_names

MASKS = "SegmentationClass"
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip


def _pairs(root: Path) -> list[Pair]:
    """By the lists in ImageSets/Segmentation/; without lists every mask counts, and there are no splits."""
    listed = listed_names(root, "Segmentation")
    if listed is None:
        listed = [(None, path.stem) for path in sorted((root / MASKS).glob("*.png"))]
    images = images_by_name(root)
    pairs = []
    for split, name in listed:
        problem = None if name in images else "no such image, though it is listed or has a mask"
        pairs.append(Pair(split, images.get(name, f"{IMAGES}/{name}.jpg"), f"{MASKS}/{name}.png", problem))
    return pairs


VOC_MASKS = LabelMapFormat(
    layout=f"the folders {IMAGES} and {MASKS}",
    is_present=lambda root: (root / IMAGES).is_dir() and holds_images(root, MASKS),
    pairs=_pairs,
    class_names=lambda root: CLASSES,
    published="Pascal VOC",
    ignored=(255,),  # borders of objects, and what was too hard to say
)
