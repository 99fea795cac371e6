"""Cityscapes: leftImg8bit/ beside gtFine/, whose labelIds are mapped to the 19 evaluated classes.

Source: cityscapesscripts 2.3.0, helpers/labels.py: the ids of the labels that have a train id from 0 to 18;
all others are ignored.
"""

from pathlib import Path

from pipeline.datasets.label_maps.pairs import image_files
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair

_IMAGES, _MAPS = "leftImg8bit", "gtFine"
_SCORED = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car",
    27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
_NUM_IDS = 34
_OWN_NAMES = "label_colors.txt"  # of programs that write other classes into these folders


def _is_present(root: Path) -> bool:
    return (root / _IMAGES).is_dir() and any((root / _MAPS).rglob(f"*_{_MAPS}_labelIds.png"))


def _pairs(root: Path) -> list[Pair]:
    """Every image with its labelIds; in the published test part they hold ignored values only."""
    maps = set(image_files(root, _MAPS))
    pairs = []
    for image in image_files(root, _IMAGES):
        folder, _, name = image.removeprefix(f"{_IMAGES}/").rpartition("/")
        split = folder.split("/")[0]
        if split == "test" and not (root / _OWN_NAMES).is_file():
            continue
        stem = name.rsplit(".", 1)[0].removesuffix(f"_{_IMAGES}")
        label_map = "/".join(filter(None, (_MAPS, folder, f"{stem}_{_MAPS}_labelIds.png")))
        problem = None if label_map in maps else f"no label map: expected {label_map}"
        pairs.append(Pair(split or None, image, label_map, problem))
    return pairs


CITYSCAPES = LabelMapFormat(
    layout=f"the folders {_IMAGES} and {_MAPS}",
    is_present=_is_present,
    pairs=_pairs,
    class_names=lambda root: tuple(_SCORED.values()),
    values=tuple(_SCORED),
    published="Cityscapes",
    ignored=tuple(value for value in (*range(_NUM_IDS), 255) if value not in _SCORED),
)
