"""Sets in COCO's form, prepared: splits, crowds, images without objects, what is quarantined."""

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pipeline.storage.files import read_json, write_json
from tests.pipeline.datasets.objects.coco_set import CATEGORIES, VAL, annotation, content


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


def test_a_dense_task_without_objects_is_refused_at_once(coco, prepared):
    assert len(prepared(coco, annotation="objects")) == 5
    write_json(coco / VAL, content((5, 6), []))
    with pytest.raises(
        ValueError, match="expected objects to train and to test on, found none in the parts test"
    ):
        prepared(coco, annotation="objects")
    assert len(prepared(coco)) == 5


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
