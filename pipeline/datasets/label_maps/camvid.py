"""CamVid with 11 classes: lists of "image label" lines, and the value 11 for unlabelled pixels."""

from pathlib import Path

from pipeline.datasets.label_maps.pair_lists import listed_pairs, lists_in
from pipeline.datasets.label_maps.reading import LabelMapFormat

CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
    "Bicyclist",
)  # fmt: skip


def is_camvid(root: Path) -> bool:
    """Whether a folder has lists of pairs, and CamVid's folders, e.g. train/ and trainannot/."""
    return any((root / f"{path.stem}annot").is_dir() for path in lists_in(root))


CAMVID = LabelMapFormat(
    layout='train.txt, val.txt or test.txt with lines of "image label", and folders such as trainannot',
    is_present=is_camvid,
    pairs=listed_pairs,
    class_names=lambda root: CLASSES,
    published="CamVid",
    ignored=(11, 255),
)
