#!/usr/bin/env bash
# imantics 0.1.12, numpy 1.26.4 (Python 3.11).
#
# YOLO states a box by its centre, width and height as shares of the image. imantics' `yolo()` writes the corner (left, top)
# in place of the centre, so that every box comes out shifted by half of its size, up and to the left: overlap of 0.14 with the
# box that was drawn. COCO and VOC of the same annotation are right. Nothing shows it: all four numbers are between 0 and 1.
# A second behaviour of the package: lists of images, annotations and categories belong to the classes, so a second data set
# made in the same process exports the images of the first one too.
#
# Seen: box 20, 10, 40 x 20 of 100 x 50: 0.2 0.2 0.4 0.4; by the format 0.4 0.4 0.4 0.4. COCO 20 10 40 20. The
# second set's COCO: a.png, which is of the first, and b.png.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet imantics==0.1.12 numpy==1.26.4 opencv-python-headless==4.10.0.84
"$work/env/bin/python" - <<'PYTHON'
import imantics
import numpy as np

left, top, width, height = 20, 10, 40, 20
category = imantics.Category("thing", id=1)


def drawn_set(name, file_name, number):
    image = imantics.Image(np.zeros((50, 100, 3), np.uint8), path=file_name, id=number)
    image.file_name = file_name
    image.add(imantics.Annotation.from_bbox(imantics.BBox((left, top, left + width, top + height)), image, category))
    dataset = imantics.Dataset(name)
    dataset.add(image)
    return image, dataset


image, first = drawn_set("first", "a.png", 1)
annotation = next(iter(image.iter_annotations()))
label, x, y, box_width, box_height = annotation.yolo(as_string=False)
coco = annotation.coco(include=False)["bbox"]
print("YOLO:", x, y, box_width, box_height)
print("by the format:", (left + width / 2) / 100, (top + height / 2) / 50, width / 100, height / 50)
print("COCO:", coco)
assert list(coco) == [left, top, width, height], coco
assert np.allclose((x, y, box_width, box_height), (0.2, 0.2, 0.4, 0.4))
_, second = drawn_set("second", "b.png", 2)
files = [each["file_name"] for each in second.coco()["images"]]
print("images of the second set:", files)
assert files == ["a.png", "b.png"]
PYTHON
