"""The drawn set by pylabel, part by part, from COCO files: python write_pylabel.py OUT"""

import json
import shutil
import sys
from pathlib import Path

from drawn import CLASSES, SPLITS, scenes, write
from pylabel import importer

out = Path(sys.argv[1])
files = write(out / "drawn")

for split in SPLITS:
    # pylabel keeps no image without objects of a COCO file.
    drawn = [scene for scene in scenes() if scene.split == split and scene.things]
    images, annotations = [], []
    for number, scene in enumerate(drawn):
        name = f"{scene.name}.jpg"
        images.append({"id": number, "file_name": name, "width": scene.size[0], "height": scene.size[1]})
        for thing in scene.things:
            x1, y1, x2, y2 = thing.box
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": thing.label,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(CLASSES)]
    source = out / f"{split}.json"
    source.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    for kind in ("coco", "voc"):
        folder = out / kind / split
        folder.mkdir(parents=True)
        for scene in drawn:
            shutil.copy(files / f"{scene.name}.jpg", folder)
        dataset = importer.ImportCoco(str(source), path_to_images=str(folder), name=split)
        if kind == "coco":
            dataset.export.ExportToCoco(output_path=str(folder / "annotations.json"))
        else:
            dataset.export.ExportToVoc(output_path=str(folder))
    dataset.export.ExportToYoloV5(
        output_path=str(out / "yolo" / split / "labels"), copy_images=True, yaml_file=f"{split}.yaml"
    )
