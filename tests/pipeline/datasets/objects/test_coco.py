import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pipeline.datasets.objects.coco import coco_files
from pipeline.files import read_json, write_json

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
    assert "annotation 9 in instances_val2017.json: expected a box" in str(caught.value)
    assert "/6.png: cannot be read: No such file" in str(caught.value)


def test_unsafe_names_are_refused(coco, prepared):
    found = read_json(coco / VAL)
    found["images"][1]["file_name"] = "../../../6.png"
    write_json(coco / VAL, found)
    with pytest.raises(ValueError, match="unsafe file_name"):
        prepared(coco)


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
    ("text", "words"), [("{", "not a JSON file"), ("[]", "expected COCO's lists"), ("{}", "expected COCO's")]
)
def test_a_file_in_another_form_is_named(coco, prepared, write, text, words):
    write(coco / VAL, text)
    with pytest.raises(ValueError, match=rf"instances_val2017\.json: {words}"):
        prepared(coco)


def test_images_that_are_nowhere(coco, prepared):
    (coco / "images").rename(coco / "pictures")
    with pytest.raises(ValueError, match=r"'9\.png', are in none of images/train2017/, images/train/, "):
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
    write(coco / "annotations/train.json", "{}")
    assert [path.name for path in coco_files(coco)] == ["train.json"]


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
