"""The drawn set by Ultralytics' converters: python write_ultralytics.py OUT"""

import json
import os
import shutil
import sys
from pathlib import Path

out = Path(sys.argv[1])
os.environ["YOLO_CONFIG_DIR"] = str(out / "settings")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from drawn import CLASSES, SPLITS, scenes, write  # noqa: E402
from ultralytics.data.converter import (  # noqa: E402
    convert_coco,
    convert_segment_masks_to_yolo_seg,
    convert_to_multispectral,
)

files = write(out / "drawn")
source = out / "coco"
source.mkdir()
for split in SPLITS:
    images, annotations = [], []
    for number, scene in enumerate(scenes(), start=1):
        if scene.split != split:
            continue
        name = f"{scene.name}.jpg"
        images.append({"id": number, "file_name": name, "width": scene.size[0], "height": scene.size[1]})
        for thing in scene.things:
            x1, y1, x2, y2 = thing.box
            contours = cv2.findContours(
                thing.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
            )[0]
            annotations.append(
                {
                    "id": 1 + len(annotations),
                    "image_id": number,
                    "category_id": 1 + thing.label,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": int(thing.mask.sum()),
                    "iscrowd": 0,
                    "segmentation": [contour.ravel().tolist() for contour in contours],
                }
            )
    categories = [{"id": 1 + number, "name": name} for number, name in enumerate(CLASSES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (source / f"instances_{split}.json").write_text(json.dumps(content))

described = f"path: .\nnames: {list(CLASSES)}\n" + "".join(f"{split}: images/{split}\n" for split in SPLITS)


def copy_images(folder):
    for scene in scenes():
        (folder / "images" / scene.split).mkdir(parents=True, exist_ok=True)
        shutil.copy(files / f"{scene.name}.jpg", folder / "images" / scene.split)
    (folder / "data.yaml").write_text(described)


for kind, has_masks in (("boxes", False), ("masks", True)):
    convert_coco(str(source), str(out / kind), use_segments=has_masks, cls91to80=False)
    copy_images(out / kind)

# Label maps, in which a class is one more than its number, to polygons.
for split in SPLITS:
    (out / "maps" / split).mkdir(parents=True)
    (out / "from-maps/labels" / split).mkdir(parents=True)
    for scene in scenes():
        if scene.split == split:
            cv2.imwrite(str(out / "maps" / split / f"{scene.name}.png"), scene.label_map())
    convert_segment_masks_to_yolo_seg(
        str(out / "maps" / split), str(out / "from-maps/labels" / split), classes=len(CLASSES)
    )
copy_images(out / "from-maps")

# Images of ten channels, a page of a TIFF file each.
for scene in scenes():
    if scene.things:
        folder = out / "bands" / scene.split / CLASSES[scene.things[0].label]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(files / f"{scene.name}.jpg", folder)
convert_to_multispectral(out / "bands", n_channels=10, replace=True)
