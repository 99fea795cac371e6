"""COCO's json and its images wherever tools put them."""

import pytest

from pipeline.storage.files import write_json

CATEGORIES = [{"id": 0, "name": "block"}, {"id": 1, "name": "disc"}]


def content(names, box=(1, 1, 3, 2)):
    """One object in each image, its box as wide as the image's number."""
    return {
        "images": [{"id": i, "file_name": name, "width": 12, "height": 10} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": i % 2, "bbox": [*box[:2], box[2] + i, box[3]]}
            for i, _ in enumerate(names)
        ],
        "categories": CATEGORIES,
    }


@pytest.mark.parametrize(
    ("json_path", "folder", "listed"),
    [
        ("result.json", "images", "images\\{}"),  # Label Studio on Windows
        ("result.json", "images", "../upload/7/{}"),  # Label Studio, its upload folder on the same machine
        ("annotations.json", "JPEGImages", "JPEGImages/{}"),  # labelme's script
        ("dataset.json", "photos", "/home/me/project/photos/{}"),  # the package labelme2coco
        ("labels.json", "data", "{}"),  # FiftyOne
        ("trainval.json", "PNGImages", "{}"),  # Penn-Fudan in COCO's form
        ("_annotations.coco.json", "", "{}"),
        ("images/annotations.json", "images", "{}"),
        ("labels/anything.json", "images/more/Data", "{}"),
        ("annotations/instances_Train.json", "images/Train/Data", "C:\\data\\{}"),
    ],
)
def test_one_file_anywhere(tmp_path, png, write, prepared, json_path, folder, listed):
    root = tmp_path / "set"
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        write(root / folder / name, png(i, 12, 10))
    (root / json_path).parent.mkdir(parents=True, exist_ok=True)
    write_json(root / json_path, content([listed.format(name) for name in names]))
    dataset = prepared(root, test_share=0, val_share=0)
    assert dataset.summary["format"] == "coco"
    assert [dataset.path(i) for i in range(4)] == [f"{folder}/{name}".removeprefix("/") for name in names]
    assert [dataset.objects(i).boxes.tolist() for i in range(4)] == [[[1, 1, 4 + i, 3]] for i in range(4)]
    assert dataset.class_names == ["block", "disc"]


def test_minival_is_the_validation_part_in_val2014(tmp_path, png, write, prepared):
    root = tmp_path / "coco"
    for year, number in (("train2014", 1), ("val2014", 2)):
        write(root / year / f"COCO_{year}_{number}.png", png(number, 12, 10))
    (root / "annotations").mkdir()
    write_json(root / "annotations/instances_train2014.json", content(["COCO_train2014_1.png"]))
    write_json(root / "annotations/instances_minival2014.json", content(["COCO_val2014_2.png"]))
    dataset = prepared(root, val_share=0)
    assert [dataset.path(i) for i in dataset.indices("test")] == ["val2014/COCO_val2014_2.png"]


def test_one_file_for_all_parts_takes_them_from_the_images_folders(tmp_path, png, write, prepared):
    names = ["train/0.png", "train/1.png", "val/0.png"]
    for i, name in enumerate(names):
        write(tmp_path / "set/images" / name, png(i, 12, 10))
    write_json(tmp_path / "set/labels.json", content(names))
    dataset = prepared(tmp_path / "set", val_share=0)
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 1}
    assert [dataset.path(i) for i in dataset.indices("test")] == ["images/val/0.png"]


def test_an_image_of_the_same_name_in_another_split_is_not_taken(tmp_path, png, write, prepared):
    root = tmp_path / "set"
    for i in range(3):
        write(root / f"pictures/train/{i}.png", png(i, 12, 10))
    write(root / "pictures/val/0.png", png(7, 12, 10))
    (root / "annotations").mkdir()
    write_json(root / "annotations/instances_train.json", content([f"{i}.png" for i in range(3)]))
    write_json(root / "annotations/instances_val.json", content(["0.png", "1.png"]))
    dataset = prepared(root, max_bad_share=0.5, val_share=0)
    assert [dataset.path(i) for i in dataset.indices("test")] == ["pictures/val/0.png"]
    assert "1.png,no such image in the folder" in (dataset.directory / "quarantine.csv").read_text()


def test_two_images_of_one_name_are_refused(tmp_path, png, write, prepared):
    for i, name in enumerate(("a/0.png", "b/0.png", "b/1.png")):
        write(tmp_path / "set" / name, png(i, 12, 10))
    write_json(tmp_path / "set/labels.json", content(["0.png", "1.png"]))
    with pytest.raises(ValueError, match=r"2 images have this name, such as a/0\.png and b/0\.png"):
        prepared(tmp_path / "set")


def test_an_entry_without_a_name_says_so(tmp_path, png, write, prepared):
    write(tmp_path / "set/0.png", png(0, 12, 10))
    found = content(["0.png", "1.png"])
    del found["images"][1]["file_name"]
    write_json(tmp_path / "set/labels.json", found)
    with pytest.raises(ValueError, match="expected a file_name, found null"):
        prepared(tmp_path / "set")


def test_a_file_that_lacks_a_list_is_named_with_it(tmp_path, png, write, prepared):
    write(tmp_path / "set/0.png", png(0, 12, 10))
    found = content(["0.png"])
    del found["categories"]
    write_json(tmp_path / "set/result.json", found)
    for options in ({}, {"format": "coco"}):
        with pytest.raises(ValueError, match=r"result\.json: expected COCO's lists .*; missing: cat"):
            prepared(tmp_path / "set", **options)


def test_classes_in_a_json_without_boxes_are_no_objects(tmp_path, png, write, prepared):
    """iNaturalist's form: the folders stay the classes, and the json is named as not read."""
    for i, name in enumerate(("a/0.png", "b/1.png")):
        write(tmp_path / "set" / name, png(i, 12, 10))
    found = content(["a/0.png", "b/1.png"])
    for entry in found["annotations"]:
        del entry["bbox"]
    write_json(tmp_path / "set/train2018.json", found)
    dataset = prepared(tmp_path / "set", test_share=0, val_share=0)
    assert (dataset.summary["format"], dataset.class_names) == ("image-folder", ["a", "b"])
    assert any("train2018.json" in note for note in dataset.summary["notes"])


def test_one_outline_without_a_list_around_it(tmp_path, png, write, prepared):
    write(tmp_path / "set/0.png", png(0, 12, 10))
    found = content(["0.png"])
    found["annotations"][0]["segmentation"] = [1, 1, 4, 1, 4, 3, 1, 3]
    write_json(tmp_path / "set/labels.json", found)
    dataset = prepared(tmp_path / "set", test_share=0, val_share=0)
    assert dataset.objects(0).masks(10, 12).sum() == 6
    assert dataset.summary["num_masks"] == 1


@pytest.mark.parametrize("listed", ["{}.PNG", "{}", "set/{}.jpg", "https://host.example/set/{}.png?width=9"])
def test_names_in_another_case_without_suffix_or_as_urls(tmp_path, png, write, prepared, listed):
    root = tmp_path / "set"
    for i in range(4):
        write(root / f"images/a{i}.png", png(i, 12, 10))
    (root / "annotations").mkdir()
    write_json(root / "annotations/all.json", content([listed.format(f"a{i}") for i in range(4)]))
    dataset = prepared(root, test_share=0, val_share=0)
    assert [dataset.path(i) for i in range(4)] == [f"images/a{i}.png" for i in range(4)]
    assert [dataset.objects(i).boxes[0].tolist() for i in range(2)] == [[1, 1, 4, 3], [1, 1, 5, 3]]
    said = "caution: images: found without regard to case and suffix: "
    assert any(note.startswith(said) for note in dataset.summary["notes"]) == ("?" not in listed)


def test_loose_names_of_two_images_leave_them_out(tmp_path, png, write, prepared):
    root = tmp_path / "set"
    for name in ("a0.png", "a0.bmp.png", "a1.png", "A1.png"):
        write(root / f"images/{name}", png(0, 12, 10))
    (root / "annotations").mkdir()
    write_json(root / "annotations/all.json", content(["a0", "a1"]))
    dataset = prepared(root, test_share=0, val_share=0, max_bad_share=0.5)
    assert len(dataset) == 1
    assert "2 images have this name" in (dataset.directory / "quarantine.csv").read_text()
