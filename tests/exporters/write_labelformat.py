"""The drawn set by labelformat, from COCO files: python write_labelformat.py OUT"""

import shutil
import sys
from pathlib import Path

from drawn import CLASSES, SPLITS, scenes, write
from labelformat.formats import (
    COCOObjectDetectionOutput,
    CVATObjectDetectionOutput,
    PascalVOCObjectDetectionOutput,
    YOLOv8ObjectDetectionOutput,
)
from labelformat.model.bounding_box import BoundingBox
from labelformat.model.category import Category
from labelformat.model.image import Image
from labelformat.model.object_detection import ImageObjectDetection, SingleObjectDetection

out = Path(sys.argv[1])
files = write(out / "drawn")
categories = [Category(id=number, name=name) for number, name in enumerate(CLASSES)]


class Drawn:
    """Input of the writers: the images of some splits."""

    def __init__(self, *splits):
        self._scenes = [scene for scene in scenes() if scene.split in splits]

    def get_categories(self):
        return categories

    def get_images(self):
        return [Image(n, f"{scene.name}.jpg", *scene.size) for n, scene in enumerate(self._scenes)]

    def get_labels(self):
        for image, scene in zip(self.get_images(), self._scenes, strict=True):
            objects = [
                SingleObjectDetection(categories[thing.label], BoundingBox(*map(float, thing.box)))
                for thing in scene.things
            ]
            yield ImageObjectDetection(image, objects)


def copy_images(folder, split):
    folder.mkdir(parents=True, exist_ok=True)
    for scene in scenes():
        if scene.split == split:
            shutil.copy(files / f"{scene.name}.jpg", folder)


for split in SPLITS:
    drawn = Drawn(split)
    copy_images(out / "coco/images" / split, split)
    (out / "coco/annotations").mkdir(exist_ok=True)
    COCOObjectDetectionOutput(out / f"coco/annotations/{split}.json").save(drawn)
    copy_images(out / "voc" / split, split)
    PascalVOCObjectDetectionOutput(out / "voc" / split).save(drawn)
    copy_images(out / "cvat" / split / "images", split)
    CVATObjectDetectionOutput(out / "cvat" / split).save(drawn)
    copy_images(out / "yolo/images", split)
# Its description has one part.
YOLOv8ObjectDetectionOutput(out / "yolo/data.yaml", "train").save(Drawn(*SPLITS))
