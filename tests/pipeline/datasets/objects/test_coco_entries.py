"""Fields of one annotation that cannot be so."""

import json

import pytest

from pipeline.storage.files import read_json, write_json
from tests.pipeline.datasets.objects.coco_set import TRAIN, VAL, annotation, content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"iscrowd": "0"}, 'expected iscrowd 0 or 1, found "0"'),
        ({"iscrowd": 2}, "expected iscrowd 0 or 1, found 2"),
        ({"bbox": ["1", "1", "3", "2"]}, r'found \["1", "1", "3", "2"\]'),
        ({"bbox": [1, 1, 3]}, r"expected bbox as four numbers x, y, width, height, found \[1, 1, 3\]"),
        ({"bbox": []}, r"found \[\]"),
        ({"bbox": [1, 1, True, 2]}, r"found \[1, 1, true, 2\]"),
        ({"bbox": [1, 1, 1e308, 2]}, r"box from .1, 1. to .1e.308, 3. reaches far out of the image"),
        ({"bbox": [1, 1, 10**400, 2]}, r"found box from .1, 1. to .inf, 3."),
    ],
)
def test_fields_are_not_taken_at_their_word(coco, prepared, change, words):
    write_json(coco / VAL, content((5, 6), [annotation(8, 5, 1, **change)]))
    with pytest.raises(ValueError, match=rf"5\.png: annotation 8 in instances_val2017\.json: .*{words}"):
        prepared(coco)


@pytest.mark.parametrize("area", [float("inf"), float("nan"), -6, 0, 21, 12.5, 0.3, "6", None, True, 10**400])
def test_an_impossible_area_is_that_of_the_mask(coco, prepared, write, area):
    found = content((5, 6), [annotation(8, 5, 1, area=area), annotation(9, 5, 1, area=5)])
    write(coco / VAL, json.dumps(found))
    dataset = prepared(coco, val_share=0)
    assert dataset.objects(3).areas.tolist() == [6, 5]
    assert dataset.summary["num_missing_areas"] == 1
    assert dataset.summary["first_missing_areas"] == ["annotation 8 in instances_val2017.json"]


def test_masks_that_are_not_there(coco, prepared):
    found = [annotation(8, 5, 1, segmentation=[[]]), annotation(9, 6, 1, segmentation=[[1, 1, 4, 3]])]
    write_json(coco / VAL, content((5, 6), found))
    dataset = prepared(coco, val_share=0)
    assert dataset.objects(3).segments == dataset.objects(4).segments == (None,)
    assert dataset.summary["first_empty_masks"] == [
        f"annotation {i} in instances_val2017.json" for i in (8, 9)
    ]


def test_crowds_are_objects_where_the_data_section_says_so(coco, prepared):
    assert prepared(coco, val_share=0, crowds="objects").objects(0).crowd.tolist() == [False, False]


def test_boxes_as_shares_of_the_image_are_refused(coco, prepared):
    for path in (coco / TRAIN, coco / VAL):
        found = read_json(path)
        found["annotations"] = [each | {"bbox": [0.2, 0.2, 0.6, 0.5]} for each in found["annotations"]]
        write_json(path, found)
    with pytest.raises(
        ValueError, match=r"expected boxes in pixels, found all within the first pixel .*annotation 1"
    ):
        prepared(coco)


def test_an_annotation_without_an_id_is_named_by_its_place(coco, prepared):
    found = [annotation(8, 5, 1), annotation(None, 6, 1, bbox=[1, 1, 3]), annotation(None, 5, 1)]
    del found[2]["id"]
    write_json(coco / VAL, content((5, 6), found))
    with pytest.raises(
        ValueError, match=r"6\.png: annotation number 2 in instances_val2017\.json: expected bbox"
    ):
        prepared(coco)
