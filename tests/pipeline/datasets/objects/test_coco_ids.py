"""COCO's ids of images and categories: any numbers, shared by files, too large, twice."""

import copy

import numpy as np
import pytest

from pipeline.evaluate.average_precision import Detections, coco_results, evaluate_ap
from pipeline.storage.files import write_json
from tests.pipeline.datasets.objects.coco_set import TRAIN, VAL, annotation, content


def test_category_ids_with_holes(coco, prepared):
    """T15: category ids map to 0..K-1 and back."""
    dataset = prepared(coco, val_share=0)
    assert (dataset.summary["format"], dataset.annotation) == ("coco", "objects")
    assert dataset.class_names == ["person", "sign", "toothbrush"]
    assert dataset.category_ids == [1, 13, 90]
    assert dataset.objects(0).classes.tolist() == [2, 0]
    assert [dataset.category_ids[label] for label in dataset.objects(0).classes] == [90, 1]
    assert [dataset.image_id(i) for i in range(5)] == [9, 4, 7, 5, 6]
    assert dataset.split_names == {"train": "train", "test": "val"}
    assert dataset.path(0) == "images/train2017/9.png"


def test_unknown_ids_are_refused(coco, prepared):
    """T15: an unknown id raises."""
    for change, words in (
        ({"category_id": 2}, r"annotation 1: expected a category_id among \[1, 13, 90\], found 2"),
        ({"image_id": 3}, "annotation 1: no image has the id 3"),
    ):
        write_json(coco / TRAIN, content((9, 4, 7), [annotation(1, 9, 90) | change]))
        with pytest.raises(ValueError, match=rf"instances_train2017\.json: {words}"):
            prepared(coco)
    write_json(coco / TRAIN, content((9, 4, 9), []))
    with pytest.raises(ValueError, match="image id 9 is defined twice"):
        prepared(coco)
    write_json(coco / TRAIN, content((9.5,), []))
    with pytest.raises(ValueError, match=r"image id 9\.5 is neither a whole number nor text"):
        prepared(coco)


def test_ids_that_two_files_share_stay(coco, prepared, png, write):
    """Evaluation looks at one split, and writes the file's own ids."""
    write_json(coco / VAL, content((9, 4), []))
    for i in (9, 4):
        write(coco / f"images/val2017/{i}.png", png(i))
    dataset = prepared(coco, val_share=0)
    assert [dataset.image_id(i) for i in dataset.indices("test")] == [9, 4]
    assert [dataset.image_id(i) for i in dataset.indices("train")] == [9, 4, 7]


@pytest.mark.parametrize("first", [2**60, 2**63, -3])
def test_ids_that_the_evaluator_cannot_hold_are_counted_anew(coco, prepared, first):
    found = content((9, 4, 7), [annotation(1, 9, 90), annotation(2, 7, 13)])
    for entry, key in [(e, "id") for e in found["images"]] + [(e, "image_id") for e in found["annotations"]]:
        entry[key] = first + (9, 4, 7).index(entry[key])
    write_json(coco / TRAIN, found)
    dataset = prepared(coco, val_share=0)
    assert [dataset.image_id(i) for i in range(5)] == [0, 1, 2, 3, 4]
    assert [dataset.objects(i).classes.tolist() for i in range(3)] == [[2], [], [1]]
    (note,) = [line for line in dataset.summary["notes"] if line.startswith("ids:")]
    assert f"annotations/instances_train2017.json: image id {first} is not within 0 and 2^53" in note


def test_category_ids_that_the_evaluator_cannot_hold_are_counted_anew(coco, prepared):
    (coco / VAL).unlink()
    found = content((9, 4, 7), [annotation(1, 9, 2**60 + 1)])
    found["categories"] = [{"id": 2**60 + i, "name": name} for i, name in enumerate("ab")]
    write_json(coco / TRAIN, found)
    dataset = prepared(coco)
    assert (dataset.class_names, dataset.category_ids) == (["a", "b"], [1, 2])
    assert dataset.objects(0).classes.tolist() == [1]


def test_two_files_of_one_part_may_number_images_alike(tmp_path, png, write, prepared):
    """Every image keeps its own objects, and no two have one id."""
    for number, name in enumerate("ab"):
        write(tmp_path / f"coco/images/{name}/0.png", png(number))
        found = content((1,), [annotation(1, 1, 1, bbox=[number, 0, 3, 2])])
        found["images"][0]["file_name"] = "0.png"
        write_json(tmp_path / f"coco/annotations/{name}.json", found)
    dataset = prepared(tmp_path / "coco", val_share=0, test_share=0)
    assert [dataset.path(i) for i in range(2)] == ["images/a/0.png", "images/b/0.png"]
    assert [dataset.image_id(i) for i in range(2)] == [0, 1]
    assert [dataset.objects(i).boxes.tolist() for i in range(2)] == [[[0, 0, 3, 2]], [[1, 0, 4, 2]]]
    assert dataset.summary["notes"] == [
        "ids: counted anew, images by their row in manifest.csv and classes from 1: annotations/a.json and "
        "annotations/b.json both have an image 1"
    ]


@pytest.mark.parametrize("ids", [(1, 1), (2**60, 2**60 + 1)])
def test_scores_tell_images_apart_whatever_their_ids(tmp_path, png, write, prepared, ids):
    """The truth found in its own images is AP 1, found in one another's AP 0."""
    for number, (name, image_id) in enumerate(zip("ab", ids, strict=True)):
        write(tmp_path / f"coco/images/test_{name}/0.png", png(number, 20, 20))
        found = content((image_id,), [annotation(1, image_id, 1, bbox=[10 * number, 0, 9, 9])], 20, 20)
        found["images"][0]["file_name"] = "0.png"
        write_json(tmp_path / f"coco/annotations/instances_test_{name}.json", found)
    write(tmp_path / "coco/images/train/0.png", png(2, 20, 20))
    found = content((1,), [], 20, 20)
    found["images"][0]["file_name"] = "0.png"
    write_json(tmp_path / "coco/annotations/instances_train.json", found)
    dataset = prepared(tmp_path / "coco", val_share=0)
    rows = dataset.indices("test").tolist()
    truth = [dataset.objects(row) for row in rows]
    detections = [Detections(one.boxes, np.ones(1, "f4"), one.classes, None) for one in truth]
    for found, ap in ((detections, 1), (detections[::-1], 0)):
        results = coco_results(found, dataset, rows)
        assert evaluate_ap(results, dataset, rows, "bbox").metrics["ap"] == pytest.approx(ap)


def test_an_image_in_two_files_is_refused(coco, prepared):
    found = content((5,), [])
    found["images"][0]["file_name"] = "val2017/5.png"
    write_json(coco / "annotations/instances_minival.json", found)
    with pytest.raises(ValueError, match=r"val2017/5\.png: .* in instances_minival\.json and again in inst"):
        prepared(coco)


def as_text(found, of_categories):
    """A file's content with ids of text: images' in nine digits, categories' as they are."""
    found = copy.deepcopy(found)  # categories are shared by all
    for entries, key, text in (
        (found["images"], "id", "{:09d}"),
        (found["annotations"], "image_id", "{:09d}"),
        *(((found["categories"], "id", "{}"), (found["annotations"], "category_id", "{}")) * of_categories),
    ):
        for entry in entries:
            entry[key] = text.format(entry[key])
    return found


@pytest.mark.parametrize("of_categories", [False, True])
def test_ids_of_text_are_counted_anew(coco, prepared, of_categories):
    """Classes keep the order of their numbers: 13 before 90, 9 before both."""
    found = copy.deepcopy(content((9, 4, 7), [annotation(1, 9, 90), annotation(2, 7, 9)]))
    next(entry for entry in found["categories"] if entry["id"] == 1)["id"] = 9
    (coco / VAL).unlink()
    write_json(coco / TRAIN, as_text(found, of_categories))
    dataset = prepared(coco, val_share=0, test_share=0)
    assert (dataset.class_names, dataset.category_ids) == (["person", "sign", "toothbrush"], [1, 2, 3])
    assert [dataset.path(i) for i in range(3)] == [f"images/train2017/{name}.png" for name in (9, 4, 7)]
    assert [dataset.image_id(i) for i in range(3)] == [0, 1, 2]
    assert [dataset.objects(i).classes.tolist() for i in range(3)] == [[2], [], [0]]
    (note,) = [line for line in dataset.summary["notes"] if line.startswith("ids:")]
    assert note.endswith("annotations/instances_train2017.json: image ids are text, such as '000000009'")


def test_numbers_and_text_are_never_one_id(coco, prepared):
    write_json(coco / TRAIN, content((1, "1"), []))
    with pytest.raises(ValueError, match=r"image ids that are all numbers or all text, found 1 and '1'"):
        prepared(coco)
    found = content((9, 4, 7), [annotation(1, 9, 90)])
    found["annotations"][0]["image_id"] = "9"
    write_json(coco / TRAIN, found)
    with pytest.raises(ValueError, match=r"annotation 1: no image has the id '9', they are such as 9"):
        prepared(coco)
    write_json(coco / TRAIN, as_text(content((9, 4, 7), []), True))
    with pytest.raises(
        ValueError, match=r"category ids that are all numbers or all text, found .* elsewhere"
    ):
        prepared(coco)
    write_json(coco / TRAIN, content(("",), []))
    with pytest.raises(ValueError, match="image id '' is neither a whole number nor text"):
        prepared(coco)
