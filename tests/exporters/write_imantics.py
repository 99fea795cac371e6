"""The drawn set by imantics, part by part, from boxes or masks: python write_imantics.py OUT"""

import json
import shutil
import sys
from pathlib import Path

import imantics
from drawn import CLASSES, SPLITS, scenes, write

out = Path(sys.argv[1])
files = write(out / "drawn")
categories = [imantics.Category(name, id=1 + number) for number, name in enumerate(CLASSES)]


def image_of(scene, path, has_masks):
    image = imantics.Image.from_path(str(path))
    for thing in scene.things:
        category = categories[thing.label]
        if has_masks:
            image.add(imantics.Annotation.from_mask(imantics.Mask(thing.mask), image, category))
        else:
            image.add(imantics.Annotation.from_bbox(imantics.BBox(thing.box), image, category))
    return image


for split in SPLITS:
    for kind in ("boxes", "masks"):
        # All of its data sets share what they hold: one in each process, or these anew.
        imantics.Dataset.images, imantics.Dataset.annotations, imantics.Dataset.categories = {}, {}, {}
        folder = out / f"coco-{kind}" / split
        folder.mkdir(parents=True)
        dataset = imantics.Dataset(split)
        for number, scene in enumerate(scene for scene in scenes() if scene.split == split):
            name = f"{scene.name}.jpg"
            shutil.copy(files / name, folder)
            image = image_of(scene, folder / name, kind == "masks")
            image.id = 1 + number
            dataset.add(image)
        (folder / "annotations.json").write_text(json.dumps(dataset.coco()))
    voc = out / "voc" / split
    voc.mkdir(parents=True)
    for scene in scenes():
        if scene.split == split:
            name = f"{scene.name}.jpg"
            shutil.copy(files / name, voc)
            (voc / f"{scene.name}.xml").write_text(image_of(scene, voc / name, False).voc(pretty=True))
