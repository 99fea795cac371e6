import pytest

from pipeline.datasets.class_overlap import overlap_notes, untrained_images

NAMES = ("Bolt", "apple", "bolt", "cup", "drill")


def test_classes_that_differ_are_counted():
    counts = {"train": [0, 36, 36, 36, 0], "val": [0, 4, 4, 4, 0], "test": [15, 15, 0, 0, 14]}
    assert untrained_images(counts) == 29
    assert overlap_notes(NAMES, counts, "images") == [
        "caution: 29 of 44 test images are of classes without training images: Bolt 15, drill 14",
        "caution: 2 training classes have no test image: bolt, cup",
        "caution: class names that differ in case or spaces only: Bolt, bolt",
    ]


def test_equal_classes_need_no_word():
    counts = {"train": [5, 4], "val": [1, 1], "test": [2, 2]}
    assert overlap_notes(("a", "b"), counts, "images") == []
    assert overlap_notes((), {"train": [], "val": [], "test": []}, "images") == []


def test_no_class_in_common_is_refused():
    counts = {"train": [5, 0], "val": [1, 0], "test": [0, 7]}
    with pytest.raises(ValueError, match=r"found none of them in it but images 7; .*\"images\" = \"unused\""):
        overlap_notes(("w1", "images"), counts, "images")


def test_the_test_part_is_named_with_what_it_cannot_score(tmp_path, tree, prepared):
    paths = [f"{split}/{name}/{i}.png" for split, names in (("train", "ab"), ("val", "ac")) for name in names
             for i in range(4)]  # fmt: skip
    dataset = prepared(tree(tmp_path / "set", paths), val_share=0)
    assert dataset.split_names["test"] == "val, 4 of 8 of classes without training images"
    caution = "caution: 4 of 8 test images are of classes without training images: c 4"
    assert caution in dataset.summary["notes"]


def test_classes_of_one_image_each_are_a_doubt():
    names = ("a", "b", "c")
    none = {"val": [0, 0, 0], "test": [0, 0, 0]}
    (line,) = overlap_notes(names, {"train": [1, 1, 1], **none}, "images")
    assert line.startswith("caution: each of the 3 classes has one image, so that none can be tested on")
    assert overlap_notes(names, {"train": [2, 1, 1], **none}, "images") == []
    assert overlap_notes(names[:2], {"train": [1, 1], "val": [0, 0], "test": [0, 0]}, "images") == []
