"""Which json files are COCO's, and where their images are looked for."""

import pytest

from pipeline.datasets.objects.coco_finding import coco_files
from pipeline.storage.files import write_json
from tests.pipeline.datasets.objects.coco_set import TRAIN, VAL, annotation, content


def test_other_files_of_cocos_are_passed_over(coco, write):
    names = [path.name for path in coco_files(coco)]
    assert names == ["instances_train2017.json", "instances_val2017.json"]
    for name in names:
        (coco / "annotations" / name).unlink()
    assert coco_files(coco) == []
    write(coco / "annotations/train.json", '{"images": [], "annotations": []}')
    assert [path.name for path in coco_files(coco)] == ["train.json"]


def test_files_beside_the_images(tmp_path, png, write, prepared):
    root = tmp_path / "roboflow"
    for split, ids in (("train", (1, 2)), ("valid", (3,)), ("test", (4,))):
        for i in ids:
            write(root / split / f"{i}.png", png(i))
        write_json(root / split / "_annotations.coco.json", content(ids, [annotation(1, ids[0], 13)]))
    dataset = prepared(root)
    assert dataset.summary["format"] == "coco"
    assert dataset.summary["counts"] == {"train": 2, "val": 1, "test": 1}
    assert dataset.path(3) == "valid/3.png"


def test_a_suffix_in_capitals(coco, prepared):
    for path in (coco / TRAIN, coco / VAL):
        path.rename(path.parent / f"{path.stem.removeprefix('instances_')}.JSON")
    assert prepared(coco, val_share=0).summary["counts"] == {"train": 3, "val": 0, "test": 2}


def test_images_that_are_nowhere(coco, prepared):
    (coco / "images").rename(coco.parent / "elsewhere")
    with pytest.raises(ValueError, match=r"expected its images below .*, found none of 3, such as '9\.png'"):
        prepared(coco)
