"""Which of COCO's categories are classes."""

import pytest

from pipeline.storage.files import read_json, write_json
from tests.pipeline.datasets.objects.coco_set import CATEGORIES, TRAIN, VAL, annotation, content


def test_a_category_above_others_is_no_class_unless_it_is_used(coco, prepared):
    (coco / VAL).unlink()
    found = content((9, 4, 7), [annotation(1, 9, 2)])
    found["categories"] = [
        {"id": 0, "name": "shapes", "supercategory": "none"},
        {"id": 1, "name": "block", "supercategory": "shapes"},
        {"id": 2, "name": "disc", "supercategory": "shapes"},
        {"id": 3, "name": "ring", "supercategory": "ring"},
        {"id": 4, "name": "_background_", "supercategory": None},
    ]
    write_json(coco / TRAIN, found)
    dataset = prepared(coco)
    assert (dataset.class_names, dataset.category_ids) == (["block", "disc", "ring"], [1, 2, 3])
    assert dataset.objects(0).classes.tolist() == [1]
    assert dataset.summary["notes"] == [
        "no class: shapes (0), _background_ (4), which no annotation has: "
        "it groups others, or is the background",
        "skipped: images that no json file of COCO names: 2 in images/val2017/",
    ]
    found["annotations"][0]["category_id"] = 0
    write_json(coco / TRAIN, found)
    assert prepared(coco).class_names == ["shapes", "block", "disc", "ring"]


def test_categories_must_agree(coco, prepared):
    found = read_json(coco / VAL)
    found["categories"] = [{"id": 1, "name": "dog"}]
    write_json(coco / VAL, found)
    with pytest.raises(ValueError, match="category 1 is 'dog', but 'person' elsewhere"):
        prepared(coco)
    found["categories"] = [{"id": 2, "name": "person"}, *CATEGORIES]
    write_json(coco / VAL, found)
    assert prepared(coco).class_names == ["person (1)", "person (2)", "sign", "toothbrush"]


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_category_without_a_name_is_refused(coco, prepared, name):
    found = read_json(coco / TRAIN)
    found["categories"] = [{"id": 0, "name": name}, *found["categories"]]
    write_json(coco / TRAIN, found)
    with pytest.raises(ValueError, match=r"instances_train2017\.json: category 0: expected a name, found"):
        prepared(coco)


def test_categories_of_one_name_stay_apart_and_are_said(coco, prepared):
    for path in (coco / TRAIN, coco / VAL):
        found = read_json(path)
        found["categories"] = [each | {"name": "person"} for each in found["categories"][:2]] + CATEGORIES[2:]
        write_json(path, found)
    dataset = prepared(coco)
    assert dataset.class_names == ["person (1)", "sign", "person (90)"]
    note = "caution: categories of one name and several ids stay apart: person (1, 90)"
    assert note in dataset.summary["notes"]
