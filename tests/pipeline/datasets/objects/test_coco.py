import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pipeline.datasets.objects.coco_finding import coco_files
from pipeline.evaluate.average_precision import Detections, coco_results, evaluate_ap
from pipeline.storage.files import read_json, write_json

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 13, "name": "sign"}]
SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]
TRAIN, VAL = "annotations/instances_train2017.json", "annotations/instances_val2017.json"


def annotation(number, image, category, **rest):
    found = {"id": number, "image_id": image, "category_id": category, "bbox": [1, 1, 3, 2], "area": 6}
    return found | {"segmentation": SQUARE, "iscrowd": 0} | rest


def content(ids, annotations, width=5, height=4):
    images = [{"id": i, "file_name": f"{i}.png", "width": width, "height": height} for i in ids]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


@pytest.fixture
def coco(tmp_path, png, write):
    """Three training images, of which the second has no object, and two for validation."""
    root = tmp_path / "coco"
    for folder, ids in (("train2017", (9, 4, 7)), ("val2017", (5, 6))):
        for i in ids:
            write(root / f"images/{folder}/{i}.png", png(i))
    crowd = {"size": [4, 5], "counts": [4, 12, 4]}
    train = [
        annotation(1, 9, 90),
        annotation(2, 9, 1, segmentation=crowd, iscrowd=1, bbox=[1, 0, 3, 4], area=12),
        annotation(3, 7, 13),
    ]
    (root / "annotations").mkdir()
    write_json(root / TRAIN, content((9, 4, 7), train))
    write_json(root / VAL, content((5, 6), [annotation(1, 5, 1)]))
    write(root / "annotations/captions_train2017.json", "[]")
    return root


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
    write_json(coco / TRAIN, content(("9",), []))
    with pytest.raises(ValueError, match="image id '9' is no whole number"):
        prepared(coco)


def test_crowds_and_empty_images_are_kept(coco, prepared):
    """T14: crowds are marked. T13: an image without objects is an image."""
    dataset = prepared(coco, val_share=0)
    first = dataset.objects(0)
    assert first.crowd.tolist() == [False, True]
    assert first.boxes.tolist() == [[1, 1, 4, 3], [1, 0, 4, 4]]
    assert first.masks(4, 5).sum(axis=(1, 2)).tolist() == [6, 12]
    assert first.areas.tolist() == [6, 12]
    assert len(dataset.objects(1).boxes) == 0
    assert dataset.summary["num_crowds"] == {"train": 1, "val": 0, "test": 0}
    assert dataset.summary["num_without_objects"] == {"train": 1, "val": 0, "test": 1}


def test_validation_is_held_out_of_the_training_file(coco, prepared):
    dataset = prepared(coco, val_share=0.34)
    assert dataset.summary["counts"] == {"train": 2, "val": 1, "test": 2}
    assert dataset.split_names["val"] == "train (held out)"


def test_what_does_not_fit_is_quarantined(coco, prepared):
    found = [annotation(8, 5, 1, bbox=[6, 0, 2, 2]), annotation(9, 6, 1, segmentation=[[1, 2, 3]])]
    write_json(coco / VAL, content((5, 6), found))
    with pytest.raises(ValueError, match="2 of 5") as caught:
        prepared(coco)
    assert "/5.png: annotation 8 in instances_val2017.json: box from (6, 0) to (8, 2)" in str(caught.value)
    assert "/6.png: annotation 9 in instances_val2017.json: expected polygons" in str(caught.value)
    (coco / "images/val2017/6.png").unlink()
    found = [annotation(8, 5, 1, bbox=[1, 2, 0, 2]), annotation(9, 5, 1, bbox="x")]
    write_json(coco / VAL, content((5, 6), found))
    with pytest.raises(ValueError, match="2 of 5") as caught:
        prepared(coco)
    assert (
        "annotation 9 in instances_val2017.json: expected bbox as four numbers x, y, width, height, "
        in str(caught.value)
    )
    assert "/6.png: cannot be read: No such file" in str(caught.value)


def test_names_that_climb_out_stay_in_the_folder(coco, prepared, write, png):
    """Leading folders are left out; a file outside is never read, whatever its name says."""
    write(coco.parent / "out.png", png(3))
    found = read_json(coco / VAL)
    found["images"][0]["file_name"] = "C:\\Users\\me\\5.png"
    found["images"][1]["file_name"] = "../../../out.png"
    write_json(coco / VAL, found)
    dataset = prepared(coco, val_share=0, max_bad_share=0.5)
    assert [dataset.path(i) for i in dataset.indices("test")] == ["images/val2017/5.png"]
    reasons = (dataset.directory / "quarantine.csv").read_text()
    assert "out.png,no such image in the folder" in reasons


def test_the_image_turns_where_that_gives_the_annotated_size(tmp_path, rng, prepared):
    """T17: EXIF orientation is applied only if that makes the size match the JSON's; else it is refused."""
    pixels = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 8
    root = tmp_path / "coco"
    (root / "images").mkdir(parents=True)
    images = []
    for number, (width, height) in enumerate(((4, 6), (6, 4), (5, 4))):
        Image.fromarray(pixels).save(root / f"images/{number}.png", exif=exif)
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
    found = {"images": images, "annotations": [], "categories": CATEGORIES}
    write_json(root / "annotations/all.json", found)
    for store in (1, 0):
        dataset = prepared(root, max_bad_share=0.5, test_share=0, max_store_gib=store)
        assert np.array_equal(dataset.image(0), np.rot90(pixels))
        assert np.array_equal(dataset.image(1), pixels)
    reasons = (dataset.directory / "quarantine.csv").read_text()
    assert "image of 6 x 4 pixels, annotated as 5 x 4 in all.json" in reasons


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


@pytest.mark.parametrize("area", [float("inf"), float("nan"), -6, 0, 21, "6", None, True, 10**400])
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


def test_a_dense_task_without_objects_is_refused_at_once(coco, prepared):
    assert len(prepared(coco, annotation="objects")) == 5
    write_json(coco / VAL, content((5, 6), []))
    with pytest.raises(
        ValueError, match="expected objects to train and to test on, found none in the parts test"
    ):
        prepared(coco, annotation="objects")
    assert len(prepared(coco)) == 5


def test_crowds_are_objects_where_the_data_section_says_so(coco, prepared):
    assert prepared(coco, val_share=0, crowds="objects").objects(0).crowd.tolist() == [False, False]


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
        "it groups others, or is the background"
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON file"),
        ("[]", r"expected COCO's lists images, annotations, categories, found \[\]"),
        ("{}", "expected COCO's lists .*; missing: images, annotations, categories; found the keys none"),
        (
            '{"info": 1, "images": [], "categories": []}',
            "expected COCO's lists .*; missing: annotations; found the keys info, images, categories",
        ),
        ('{"images": [], "annotations": {}, "categories": []}', "annotations: expected a list, found {}"),
        (
            '{"images": [], "annotations": [[{"id": 7}]], "categories": []}',
            r"annotations: expected objects such as .*, found as number 1 \[{.id.: 7}\]",
        ),
        ('{"images": ["a.png"], "annotations": [], "categories": []}', "images: .* found as number 1 .a.png"),
        (
            '{"images": [], "annotations": [{"id": 7, "image_id": [1]}], "categories": []}',
            r"annotation 7: no image has the id \[1\]",
        ),
        (
            '{"images": [{"id": [1]}], "annotations": [], "categories": []}',
            r"image id \[1\] is no whole number",
        ),
        (
            '{"images": [{"id": true}], "annotations": [], "categories": []}',
            "image id True is no whole number",
        ),
    ],
)
def test_a_file_in_another_form_is_named(coco, prepared, write, text, words):
    write(coco / VAL, text)
    with pytest.raises(ValueError, match=rf"instances_val2017\.json: {words}"):
        prepared(coco)


def test_images_that_are_nowhere(coco, prepared):
    (coco / "images").rename(coco.parent / "elsewhere")
    with pytest.raises(ValueError, match=r"expected its images below .*, found none of 3, such as '9\.png'"):
        prepared(coco)


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


def test_other_files_of_cocos_are_passed_over(coco, write):
    names = [path.name for path in coco_files(coco)]
    assert names == ["instances_train2017.json", "instances_val2017.json"]
    for name in names:
        (coco / "annotations" / name).unlink()
    assert coco_files(coco) == []
    write(coco / "annotations/train.json", '{"images": [], "annotations": []}')
    assert [path.name for path in coco_files(coco)] == ["train.json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "part", "objects", "classes", "crowds", "empty"),
    [
        ("coco-mini", "train2017", 586, 66, 6, 2),
        ("coco-mini", "val2017", 196, 47, 1, 0),
        ("nuclei-coco", "train", 1572, 1, 0, 0),
        ("nuclei-coco", "val", 653, 1, 0, 0),
    ],
)
def test_sample_data(sample_data, prepared, name, part, objects, classes, crowds, empty):
    """T16: masks of every object equal pycocotools'."""
    root = sample_data / "detection" / name
    dataset = prepared(root, val_share=0)
    split = "train" if part.startswith("train") else "test"
    summary = dataset.summary
    assert (summary["format"], summary["num_quarantined"], summary["num_dropped_boxes"]) == ("coco", 0, 0)
    assert summary["num_objects"][split] == objects
    assert sum(count > 0 for count in summary["class_counts"][split]) == classes
    assert summary["num_crowds"][split] == crowds
    assert summary["num_without_objects"][split] == empty
    oracle = COCO(root / f"annotations/instances_{part}.json")
    assert dataset.category_ids == sorted(oracle.getCatIds())
    rows = dataset.indices(split)
    assert [dataset.image_id(i) for i in rows] == list(oracle.imgs)
    for i in rows:
        found, wanted = dataset.objects(i), oracle.imgToAnns[dataset.image_id(i)]
        assert [dataset.category_ids[label] for label in found.classes] == [w["category_id"] for w in wanted]
        boxes = np.array([w["bbox"] for w in wanted], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.allclose(found.boxes, boxes, atol=1e-3)
        assert np.allclose(found.areas, [w["area"] for w in wanted])
        height, width = dataset.image(i).shape[:2]
        masks = found.masks(height, width)
        for mask, one in zip(masks, wanted, strict=True):
            assert np.array_equal(mask, oracle.annToMask(one))


def test_boxes_as_shares_of_the_image_are_refused(coco, prepared):
    for path in (coco / TRAIN, coco / VAL):
        found = read_json(path)
        found["annotations"] = [each | {"bbox": [0.2, 0.2, 0.6, 0.5]} for each in found["annotations"]]
        write_json(path, found)
    with pytest.raises(
        ValueError, match=r"expected boxes in pixels, found all within the first pixel .*annotation 1"
    ):
        prepared(coco)


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_category_without_a_name_is_refused(coco, prepared, name):
    found = read_json(coco / TRAIN)
    found["categories"] = [{"id": 0, "name": name}, *found["categories"]]
    write_json(coco / TRAIN, found)
    with pytest.raises(ValueError, match=r"instances_train2017\.json: category 0: expected a name, found"):
        prepared(coco)


def test_a_suffix_in_capitals(coco, prepared):
    for path in (coco / TRAIN, coco / VAL):
        path.rename(path.parent / f"{path.stem.removeprefix('instances_')}.JSON")
    assert prepared(coco, val_share=0).summary["counts"] == {"train": 3, "val": 0, "test": 2}


def test_categories_of_one_name_stay_apart_and_are_said(coco, prepared):
    for path in (coco / TRAIN, coco / VAL):
        found = read_json(path)
        found["categories"] = [each | {"name": "person"} for each in found["categories"][:2]] + CATEGORIES[2:]
        write_json(path, found)
    dataset = prepared(coco)
    assert dataset.class_names == ["person (1)", "sign", "person (90)"]
    note = "caution: categories of one name and several ids stay apart: person (1, 90)"
    assert note in dataset.summary["notes"]
