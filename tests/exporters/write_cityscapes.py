"""Polygons in Cityscapes' form, drawn by cityscapesscripts: python write_cityscapes.py OUT"""

import json
import os
import sys
from pathlib import Path

from cityscapesscripts.preparation import createTrainIdLabelImgs
from cityscapesscripts.preparation.json2instanceImg import json2instanceImg
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from drawn import scenes, write

out = Path(sys.argv[1])
write(out / "drawn")
NAMES = ("car", "person", "caravan")  # the third is not scored
CITIES = {"train": "aachen", "val": "lindau", "test": "bonn"}


def polygon(x1, y1, x2, y2):
    """Corners as the tool fills them: the far ones inside."""
    return [[x1, y1], [x2 - 1, y1], [x2 - 1, y2 - 1], [x1, y2 - 1]]


for scene in scenes():
    width, height = scene.size
    objects = [{"label": "road", "polygon": polygon(0, 0, width, height)}]
    objects += [{"label": NAMES[thing.label], "polygon": polygon(*thing.box)} for thing in scene.things]
    objects += [
        {"label": "cargroup", "polygon": polygon(0, height - 4, 6, height)},
        {"label": "license plate", "polygon": polygon(2, height - 3, 5, height - 1)},
    ]
    name = f"{scene.split}/{CITIES[scene.split]}/{scene.name}_000000_000019"
    image = out / "cityscapes/leftImg8bit" / f"{name}_leftImg8bit.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes((out / "drawn" / f"{scene.name}.jpg").read_bytes())
    polygons = out / "cityscapes/gtFine" / f"{name}_gtFine_polygons.json"
    polygons.parent.mkdir(parents=True, exist_ok=True)
    polygons.write_text(json.dumps({"imgWidth": width, "imgHeight": height, "objects": objects}))
    start = str(polygons).removesuffix("polygons.json")
    json2labelImg(str(polygons), f"{start}labelIds.png")
    json2labelImg(str(polygons), f"{start}color.png", "color")
    json2instanceImg(str(polygons), f"{start}instanceIds.png")
os.environ["CITYSCAPES_DATASET"] = str(out / "cityscapes")
createTrainIdLabelImgs.main()
