"""The drawn set by globox and sahi, each from its own objects: python write_converters.py OUT"""

import json
import sys
from pathlib import Path

import globox
from drawn import CLASSES, SPLITS, scenes, write
from sahi.utils.coco import Coco, CocoAnnotation, CocoCategory, CocoImage

out = Path(sys.argv[1])
write(out / "drawn")


def copy(folder, drawn):
    folder.mkdir(parents=True, exist_ok=True)
    for scene in drawn:
        name = f"{scene.name}.jpg"
        (folder / name).write_bytes((out / "drawn" / name).read_bytes())


for split in SPLITS:
    drawn = [scene for scene in scenes() if scene.split == split]
    boxes = globox.AnnotationSet(
        globox.Annotation(
            image_id=f"{scene.name}.jpg",
            image_size=scene.size,
            boxes=[
                globox.BoundingBox(
                    label=CLASSES[thing.label],
                    **dict(zip(("xmin", "ymin", "xmax", "ymax"), thing.box, strict=True)),
                )
                for thing in scene.things
            ],
        )
        for scene in drawn
    )
    copy(out / "globox-coco" / split, drawn)
    boxes.save_coco(out / "globox-coco" / split / "_annotations.coco.json", auto_ids=True)
    copy(out / "globox-voc" / split, drawn)
    boxes.save_pascal_voc(out / "globox-voc" / split)
    copy(out / "globox-yolo" / split / "images", drawn)
    numbers = {name: number for number, name in enumerate(CLASSES)}
    boxes.save_yolo_v5(out / "globox-yolo" / split / "labels", label_to_id=numbers)
    copy(out / "globox-cvat/images" / split, drawn)
    boxes.save_cvat(out / "globox-cvat" / f"{split}.xml")
    copy(out / "globox-labelme" / split, drawn)
    boxes.save_labelme(out / "globox-labelme" / split)

    coco = Coco()
    for number, name in enumerate(CLASSES):
        coco.add_category(CocoCategory(id=number, name=name))
    for scene in drawn:
        image = CocoImage(file_name=f"{scene.name}.jpg", width=scene.size[0], height=scene.size[1])
        for thing in scene.things:
            x1, y1, x2, y2 = thing.box
            image.add_annotation(
                CocoAnnotation(
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    category_id=thing.label,
                    category_name=CLASSES[thing.label],
                )
            )
        coco.add_image(image)
    copy(out / "sahi-coco/images" / split, drawn)
    (out / "sahi-coco/annotations").mkdir(exist_ok=True)
    (out / f"sahi-coco/annotations/{split}.json").write_text(json.dumps(coco.json))
(out / "globox-yolo/data.yaml").write_text(
    f"names: {list(CLASSES)}\ntrain: train/images\nval: val/images\ntest: test/images\n"
)
