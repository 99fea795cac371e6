"""Annotations with strange values and damaged bytes: prepared, the unusable counted, or refused in words."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from tests.properties.damaged import changed_bytes, changed_json, right_or_refused

WIDTH, HEIGHT = 12, 10
TRIANGLE = [1.0, 1.0, 9.0, 1.0, 9.0, 8.0]


def coco() -> dict[str, str]:
    objects = [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 8, 7], "area": 28.0, "iscrowd": 0,
         "segmentation": [TRIANGLE]},
        {"id": 2, "image_id": 2, "category_id": 7, "bbox": [0, 0, 3, 10], "area": 30.0, "iscrowd": 1,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 30, 90]}},
    ]  # fmt: skip
    images = [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in (1, 2, 3)]
    categories = [{"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 7, "name": "cat"}]
    content = {"images": images, "annotations": objects, "categories": categories}
    return {"annotations.json": json.dumps(content)}


def labelme() -> dict[str, str]:
    shapes = [
        {"label": "dog", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 8]], "group_id": None},
        {"label": "cat", "shape_type": "rectangle", "points": [[2, 2], [5, 6]], "flags": {}},
    ]
    content = {"version": "5.0", "shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    return {f"{i}.json": json.dumps(content | {"imagePath": f"{i}.png"}) for i in (1, 2, 3)}


def voc() -> dict[str, str]:
    text = (
        f"<annotation><size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size><object><name>"
        "dog</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax>"
        "</bndbox></object></annotation>"
    )
    lists = {"ImageSets/Main/train.txt": "1\n2\n", "ImageSets/Main/test.txt": "3\n"}
    return {f"Annotations/{i}.xml": text for i in (1, 2, 3)} | lists


def yolo() -> dict[str, str]:
    text = "0 0.5 0.5 0.5 0.4\n1 0.1 0.1 0.2 0.2\n"
    labels = {f"labels/train/{i}.txt": text for i in (1, 2, 3)}
    return {"data.yaml": "names: [dog, cat]\nnc: 2\ntrain: images/train\n"} | labels


def cvat() -> dict[str, str]:
    box = '<box label="dog" occluded="0" xtl="1.0" ytl="1.0" xbr="9.0" ybr="8.0"/>'
    outline = '<polygon label="cat" points="1.0,1.0;9.0,1.0;9.0,8.0"/>'
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    images = "".join(f'<image id="{i}" name="{i}.png" {size}>{box}{outline}</image>' for i in (1, 2, 3))
    labels = "<labels><label><name>dog</name></label><label><name>cat</name></label></labels>"
    return {"annotations.xml": f"<annotations><meta><task>{labels}</task></meta>{images}</annotations>"}


def table() -> dict[str, str]:
    return {"labels.csv": "path,label,split\n1.png,dog,train\n2.png,cat,train\n3.png,dog,test\n"}


def metadata() -> dict[str, str]:
    rows = [{"file_name": f"{i}.png", "label": i % 2, "text": "x"} for i in (1, 2, 3)]
    return {"metadata.jsonl": "\n".join(map(json.dumps, rows))}


# Format -> (folder of the images, what writes the other files).
FORMATS = {
    "coco": ("", coco), "labelme": ("", labelme), "voc-boxes": ("JPEGImages", voc),
    "yolo": ("images/train", yolo), "cvat": ("images", cvat), "image-list": ("", table),
    "image-folder": ("", metadata),
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A small data set in each format, as a tool would write it."""
    found = {}
    for name, (where, files) in FORMATS.items():
        root = tmp_path_factory.mktemp(name)
        for number in (1, 2, 3):
            pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            (root / where).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / where / f"{number}.png")
        for file, text in files().items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(text)
        found[name] = root
    return found


def prepared(root: Path, **options) -> PreparedDataset:
    output = root.with_name(f"{root.name}-prepared")
    shutil.rmtree(output, ignore_errors=True)
    prepare(DataConfig(source=str(root), max_bad_share=1.0, **options), output, num_workers=1)
    return PreparedDataset.open(output)


def checked(dataset: PreparedDataset) -> None:
    """What is used lies in the image and has a class that is there."""
    for row in range(len(dataset)):
        if dataset.annotation == "objects":
            objects = dataset.objects(row)
            assert np.isfinite(objects.boxes).all()
            assert (objects.boxes >= 0).all()
            assert (objects.boxes[:, 2] <= WIDTH).all()
            assert (objects.boxes[:, 3] <= HEIGHT).all()
            assert set(objects.classes.tolist()) <= set(range(len(dataset.class_names)))


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_right_or_refused(folders, name, data):
    root, files = folders[name], FORMATS[name][1]()
    file = data.draw(st.sampled_from(sorted(files)))
    change = changed_bytes(files[file].encode())
    if file.endswith(".json"):
        change = st.one_of(change, changed_json(files[file]))
    try:
        (root / file).write_bytes(data.draw(change))
        dataset = right_or_refused(lambda: prepared(root), root)
        if dataset is not None:
            checked(dataset)
    finally:
        (root / file).write_text(files[file])


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_damaged_is_right(folders, name):
    """Else the other test could not fail."""
    dataset = prepared(folders[name])
    assert len(dataset) == 3
    checked(dataset)
