"""The drawn set by datumaro, in each of its formats: python write_datumaro.py OUT"""

import sys
from pathlib import Path

import numpy as np
from datumaro.components.annotation import (
    AnnotationType,
    Bbox,
    Label,
    LabelCategories,
    Mask,
    MaskCategories,
    Polygon,
)
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image
from drawn import CLASSES, COLOURS, scenes, write

out = Path(sys.argv[1])
files = write(out / "drawn")


def outline(thing):
    """Of one part without a hole; a disc's box would not do."""
    x1, y1, x2, y2 = thing.box
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def annotations(scene, kinds):
    if "label" in kinds:
        return [Label(scene.things[0].label)] if scene.things else []
    made = []
    for group, thing in enumerate(scene.things, 1):
        x1, y1, x2, y2 = thing.box
        if "box" in kinds:
            made.append(Bbox(x1, y1, x2 - x1, y2 - y1, label=thing.label, group=group))
        if "mask" in kinds:
            made.append(Mask(thing.mask.astype(np.uint8), label=thing.label, group=group))
        if "polygon" in kinds:
            made.append(Polygon(outline(thing), label=thing.label, group=group))
    return made


def dataset(kinds):
    drawn = [scene for scene in scenes() if scene.things or "label" not in kinds]
    items = [
        DatasetItem(
            scene.name,
            subset=scene.split,
            annotations=annotations(scene, kinds),
            media=Image.from_file(str(files / f"{scene.name}.jpg")),
        )
        for scene in drawn
    ]
    categories = list(CLASSES)
    if "colour" in kinds:
        names = LabelCategories.from_iterable(CLASSES)
        categories = {
            AnnotationType.label: names,
            AnnotationType.mask: MaskCategories(dict(enumerate(COLOURS))),
        }
    return Dataset.from_iterable(items, categories=categories)


JOBS = (
    ("coco-boxes", "coco_instances", "box", {}),
    ("coco-masks", "coco_instances", "mask", {}),
    ("coco-boxes-masks", "coco_instances", "box mask", {}),
    ("coco-polygons", "coco_instances", "polygon", {}),
    ("coco-all", "coco", "mask", {}),
    ("voc-masks", "voc_segmentation", "mask", {}),
    ("voc-numbers", "voc_segmentation", "mask", {"apply_colormap": False}),
    ("voc-colours", "voc_segmentation", "mask colour", {}),
    ("voc-boxes", "voc_detection", "box", {}),
    ("voc", "voc", "box mask", {}),
    ("yolo", "yolo", "box", {}),
    ("yolo-ultralytics", "yolo_ultralytics", "box", {}),
    ("camvid-numbers", "camvid", "mask colour", {"apply_colormap": False}),
    ("camvid-colours", "camvid", "mask colour", {}),
    ("cityscapes", "cityscapes", "mask colour", {}),
    ("classes", "imagenet_with_subset_dirs", "label", {}),
    ("classes-together", "imagenet", "label", {}),
    ("cvat", "cvat", "box", {}),
    ("cvat-masks", "cvat", "mask", {}),
)

for folder, name, kinds, options in JOBS:
    dataset(kinds.split()).export(str(out / folder), name, save_media=True, **options)
