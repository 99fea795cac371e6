"""The drawn set by Label Studio's converter, from its JSON export: python write_label_studio.py OUT"""

import json
import sys
from pathlib import Path

from drawn import CLASSES, scenes, write
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import mask2rle

out = Path(sys.argv[1])
uploads = out / "uploads/7"
write(out / "drawn")
uploads.mkdir(parents=True)
for path in sorted((out / "drawn").iterdir()):
    # An upload puts eight digits before the name.
    (uploads / f"0a1b2c3d-{path.name}").write_bytes(path.read_bytes())

LABELS = "".join(f'<Label value="{name}"/>' for name in CLASSES)
IMAGE = '<Image name="image" value="$image"/>'


def region(kind, label, size, value):
    return {
        "id": "region",
        "type": kind,
        "from_name": "tag",
        "to_name": "image",
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {kind: [CLASSES[label]], **value},
    }


def rectangle(thing, size):
    x1, y1, x2, y2 = thing.box
    sides = {
        "x": x1 / size[0],
        "y": y1 / size[1],
        "width": (x2 - x1) / size[0],
        "height": (y2 - y1) / size[1],
    }
    # A hair more: VOC's whole numbers are cut down, and 8.999 pixels would be 8.
    value = {name: 100 * share + 1e-6 for name, share in sides.items()} | {"rotation": 0}
    return region("rectanglelabels", thing.label, size, value)


def brush(thing, size):
    value = {"format": "rle", "rle": mask2rle(thing.mask.astype("uint8") * 255)}
    return region("brushlabels", thing.label, size, value)


def export(folder, formats, kind, drawn, shape):
    """The tasks of some scenes, and what the converter makes of them."""
    folder.mkdir(parents=True)
    tasks = [
        {
            "id": 1 + number,
            "data": {"image": f"/data/upload/7/0a1b2c3d-{scene.name}.jpg"},
            "annotations": [
                {
                    "id": 101 + number,
                    "completed_by": {"email": "x"},
                    "result": [shape(thing, scene.size) for thing in scene.things],
                }
            ],
        }
        for number, scene in enumerate(drawn)
    ]
    source = folder.parent / f"{folder.name}.tasks.json"
    source.write_text(json.dumps(tasks))
    config = f'<View>{IMAGE}<{kind} name="tag" toName="image">{LABELS}</{kind}></View>'
    converter = Converter(
        config, project_dir=str(out), upload_dir=str(uploads.parent), download_resources=True
    )
    converter.convert(str(source), str(folder), formats, is_dir=False)
    return source


everything = list(scenes())
for split in ("train", "val", "test"):
    part = [scene for scene in everything if scene.split == split]
    export(out / "coco" / split, "COCO_WITH_IMAGES", "RectangleLabels", part, rectangle)
export(out / "one/voc", "VOC", "RectangleLabels", everything, rectangle)
export(out / "one/yolo", "YOLO_WITH_IMAGES", "RectangleLabels", everything, rectangle)
export(out / "one/brush-coco", "BRUSH_TO_COCO", "BrushLabels", everything, brush)
source = export(out / "one/brush-png", "BRUSH_TO_PNG", "BrushLabels", everything, brush)
# As a person lays it out: the images beside what was written, and for the masks the export in JSON.
(out / "one/brush-png/tasks.json").write_bytes(source.read_bytes())
for kind in ("brush-png", "brush-coco"):
    (out / f"one/{kind}/images").mkdir(exist_ok=True)
    for path in uploads.iterdir():
        (out / f"one/{kind}/images" / path.name).write_bytes(path.read_bytes())
