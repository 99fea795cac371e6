"""The drawn set by supervision, part by part: python write_supervision.py OUT"""

import sys
from pathlib import Path

import numpy as np
import supervision as sv
from drawn import CLASSES, SPLITS, scenes, write

out = Path(sys.argv[1])
files = write(out / "drawn")


def dataset(split, has_masks):
    paths, annotations = [], {}
    for scene in scenes():
        if scene.split != split:
            continue
        path = str(files / f"{scene.name}.jpg")
        paths.append(path)
        annotations[path] = sv.Detections.empty()
        if scene.things:
            annotations[path] = sv.Detections(
                xyxy=np.array([thing.box for thing in scene.things], np.float32),
                class_id=np.array([thing.label for thing in scene.things]),
                mask=np.array([thing.mask for thing in scene.things]) if has_masks else None,
            )
    return sv.DetectionDataset(classes=list(CLASSES), images=paths, annotations=annotations)


for split in SPLITS:
    for kind in ("boxes", "masks"):
        made = dataset(split, kind == "masks")
        made.as_coco(
            str(out / f"coco-{kind}/{split}"), str(out / f"coco-{kind}/annotations/instances_{split}.json")
        )
        roboflow = out / f"coco-beside-{kind}" / split
        made.as_coco(str(roboflow), str(roboflow / "_annotations.coco.json"))
        yolo = out / f"yolo-{kind}"
        made.as_yolo(
            str(yolo / split / "images"), str(yolo / split / "labels"), data_yaml_path=str(yolo / "data.yaml")
        )
    voc = str(out / "voc-boxes" / split)
    dataset(split, has_masks=False).as_pascal_voc(voc, voc)
    labels = {
        str(files / f"{scene.name}.jpg"): sv.Classifications(class_id=np.array([scene.things[0].label]))
        for scene in scenes()
        if scene.things and scene.split == split
    }
    classified = sv.ClassificationDataset(classes=list(CLASSES), images=list(labels), annotations=labels)
    classified.as_folder_structure(str(out / "classes" / split))
