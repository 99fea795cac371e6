"""Sets whose images are files: each layout drawn small, as published."""

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect, open_source


def seen(root, name):
    found, source = open_source(DataConfig(source=str(root)))
    assert found == name
    return source, sorted((entry.path, entry.class_name, entry.split) for entry in source.entries())


def lines(write, path, *rows):
    write(path, "".join(f"{row}\n" for row in rows))


@pytest.fixture
def pets(tmp_path, tree, write):
    root = tmp_path / "oxford-iiit-pet"
    tree(root / "annotations/trimaps", ["Abyssinian_1.png", "pug_2.png", "pug_3.png"])
    tree(root / "images", ["Abyssinian_1.jpg", "saint_bernard_2.jpg", "Abyssinian_3.jpg"])
    lines(write, root / "annotations/trainval.txt", "saint_bernard_2 2 2 20", "Abyssinian_1 1 1 1")
    lines(write, root / "annotations/test.txt", "# image class species breed", "Abyssinian_3 1 1 1")
    write(root / "annotations/xmls/Abyssinian_1.xml", "<annotation/>")
    return root


def test_oxford_pets(pets, prepared):
    source, found = seen(pets, "oxford-pets")
    assert found == [
        ("images/Abyssinian_1.jpg", "Abyssinian", "trainval"),
        ("images/Abyssinian_3.jpg", "Abyssinian", "test"),
        ("images/saint_bernard_2.jpg", "saint_bernard", "trainval"),
    ]
    assert source.class_names == ("Abyssinian", "saint_bernard")
    dataset = prepared(pets.parent, max_store_gib=0.0, val_share=0.0)
    assert dataset.split_names == {"train": "trainval", "test": "test"}
    assert dataset.image(0).shape == (4, 5, 3)


def test_oxford_pets_of_other_tasks_stay_theirs(pets):
    assert detect(DataConfig(source=str(pets), annotation="objects")) != "oxford-pets"


def test_two_breeds_of_one_number_are_refused(pets, write):
    lines(write, pets / "annotations/test.txt", "Abyssinian_3 2 1 1")
    with pytest.raises(ValueError, match=r"test\.txt: Abyssinian_3: expected class 2 to be saint_bernard"):
        open_source(DataConfig(source=str(pets)))


def test_tiny_imagenet(tmp_path, tree, write, prepared):
    images = [f"train/{name}/images/{name}_{n}.JPEG" for name in ("n01", "n02") for n in range(2)]
    tree(tmp_path / "t/tiny-imagenet-200", [*images, "val/images/val_0.JPEG", "test/images/test_0.JPEG"])
    lines(write, tmp_path / "t/tiny-imagenet-200/train/n01/n01_boxes.txt", "n01_0.JPEG\t0\t0\t63\t63")
    lines(write, tmp_path / "t/tiny-imagenet-200/val/val_annotations.txt", "val_0.JPEG\tn02\t0\t32\t44\t62")
    source, found = seen(tmp_path / "t", "tiny-imagenet")
    assert ("tiny-imagenet-200/val/images/val_0.JPEG", "n02", "val") in found
    assert ("tiny-imagenet-200/test/images/test_0.JPEG", None, "test") in found
    assert ("tiny-imagenet-200/train/n01/images/n01_1.JPEG", "n01", "train") in found
    assert source.class_names == ("n01", "n02")
    dataset = prepared(tmp_path / "t", val_share=0.0)
    assert dataset.split_names == {"train": "train", "test": "val"}
    assert dataset.summary["counts"] == {"train": 4, "val": 0, "test": 1}


@pytest.fixture
def birds(tmp_path, tree, write):
    root = tmp_path / "birds/CUB_200_2011"
    tree(root / "images", ["001.Auk/a_1.jpg", "002.Wren/w_1.jpg", "002.Wren/w_2.jpg"])
    tree(tmp_path / "birds/segmentations", ["001.Auk/a_1.png"])
    lines(write, root / "images.txt", "1 001.Auk/a_1.jpg", "2 002.Wren/w_1.jpg", "3 002.Wren/w_2.jpg")
    lines(write, root / "image_class_labels.txt", "1 1", "2 2", "3 2")
    lines(write, root / "classes.txt", "1 001.Auk", "2 002.Wren")
    lines(write, root / "train_test_split.txt", "1 1", "2 1", "3 0")
    return tmp_path / "birds"


def test_cub(birds):
    source, found = seen(birds, "cub")
    assert found == [
        ("CUB_200_2011/images/001.Auk/a_1.jpg", "001.Auk", "train"),
        ("CUB_200_2011/images/002.Wren/w_1.jpg", "002.Wren", "train"),
        ("CUB_200_2011/images/002.Wren/w_2.jpg", "002.Wren", "test"),
    ]
    assert source.class_names == ("001.Auk", "002.Wren")


@pytest.mark.parametrize(
    ("file", "rows", "words"),
    [
        (
            "image_class_labels.txt",
            ["1 1", "2 2"],
            r"image_class_labels\.txt: expected a line for 3, found none",
        ),
        (
            "train_test_split.txt",
            ["1 1", "2 1", "3 2"],
            r"train_test_split\.txt: expected a line for 2, found",
        ),
        ("images.txt", ["1 a.jpg", "1 b.jpg"], r"images\.txt: expected 1 once, found it on two lines"),
        ("images.txt", ["1"], r"images\.txt, line 1: expected 2 fields, found '1'"),
        ("images.txt", ["1 ../../x.jpg"], r"expected a path inside"),
    ],
)
def test_wrong_lists_of_cub_are_named(birds, write, file, rows, words):
    lines(write, birds / "CUB_200_2011" / file, *rows)
    with pytest.raises(ValueError, match=words):
        open_source(DataConfig(source=str(birds)))


def test_flowers(tmp_path, tree):
    root = tree(tmp_path / "flowers", [f"jpg/image_{number:05d}.jpg" for number in range(1, 5)])
    savemat(root / "imagelabels.mat", {"labels": np.array([[10, 9, 10, 9]], np.uint8)})
    splits = {"trnid": [[4, 1]], "valid": [[2]], "tstid": [[3]]}
    savemat(root / "setid.mat", {key: np.array(ids, np.uint16) for key, ids in splits.items()})
    source, found = seen(root, "flowers-102")
    assert found == [
        ("jpg/image_00001.jpg", "10", "train"),
        ("jpg/image_00002.jpg", "9", "val"),
        ("jpg/image_00003.jpg", "10", "test"),
        ("jpg/image_00004.jpg", "9", "train"),
    ]
    assert source.class_names == ("9", "10")
    savemat(root / "setid.mat", {key: np.array([[5]]) for key in splits})
    with pytest.raises(
        ValueError, match=r"setid\.mat: trnid: expected image numbers from 1 to 4, found 5 to 5"
    ):
        open_source(DataConfig(source=str(root)))
    (root / "imagelabels.mat").write_bytes(b"no table")
    with pytest.raises(ValueError, match=r"imagelabels\.mat: damaged \.mat file"):
        open_source(DataConfig(source=str(root)))


def test_dtd(tmp_path, tree, write):
    root = tree(
        tmp_path / "dtd", [f"images/{name}/{name}_{n}.jpg" for name in ("banded", "dotted") for n in "123"]
    )
    for number, split in enumerate(("train", "val", "test"), start=1):
        for partition in "12":
            lines(write, root / f"labels/{split}{partition}.txt", f"banded/banded_{number}.jpg")
    source, found = seen(root, "dtd")
    assert found == [
        ("images/banded/banded_1.jpg", "banded", "train"),
        ("images/banded/banded_2.jpg", "banded", "val"),
        ("images/banded/banded_3.jpg", "banded", "test"),
    ]
    assert source.num_outside == 3
    assert source.notes == ("split: the first of the ten published ones (labels/*1.txt)",)


def test_food_101(tmp_path, tree, write):
    root = tree(tmp_path / "food/food-101", ["images/apple_pie/1.jpg", "images/apple_pie/2.jpg"])
    lines(write, root / "meta/train.txt", "apple_pie/1")
    lines(write, root / "meta/test.txt", "apple_pie/2")
    assert seen(tmp_path / "food", "food-101")[1] == [
        ("food-101/images/apple_pie/1.jpg", "apple_pie", "train"),
        ("food-101/images/apple_pie/2.jpg", "apple_pie", "test"),
    ]


def test_sun397(tmp_path, tree, write):
    """Classes of two folders are classes of their own, and letters are none."""
    root = tree(
        tmp_path / "SUN397",
        ["a/abbey/sun_1.jpg", "a/attic/sun_2.jpg", "b/barn/indoor/sun_3.jpg", "b/barn/outdoor/sun_4.jpg"],
    )
    lines(write, root / "ClassName.txt", "/a/abbey", "/a/attic", "/b/barn/indoor", "/b/barn/outdoor")
    source, found = seen(root, "sun397")
    assert source.class_names == ("a/abbey", "a/attic", "b/barn/indoor", "b/barn/outdoor")
    assert [(path, name) for path, name, _ in found][2] == ("b/barn/indoor/sun_3.jpg", "b/barn/indoor")
    lines(write, root / "ClassName.txt", "/a/abbey", "/z/zoo")
    with pytest.raises(ValueError, match=r"ClassName\.txt: expected a folder z/zoo, found none"):
        seen(root, "sun397")


VAL = [f"ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2, 3)]


def ilsvrc(root, tree):
    """Two classes, three validation images, two test images."""
    train = [f"train/{name}/{name}_{number}.JPEG" for name in ("n01440764", "n02119789") for number in (1, 2)]
    test = [f"test/ILSVRC2012_test_0000000{number}.JPEG" for number in (1, 2)]
    return tree(root, [*train, *(f"val/{name}" for name in VAL), *test])


def test_imagenet_of_kaggle(tmp_path, tree, write):
    ilsvrc(tmp_path / "set/ILSVRC/Data/CLS-LOC", tree)
    rows = [f"{VAL[2][:-5]},n02119789 85 1 499 272 n02119789 1 2 3 4", f"{VAL[0][:-5]},n01440764 1 1 2 2"]
    lines(write, tmp_path / "set/LOC_val_solution.csv", "ImageId,PredictionString", *rows)
    with pytest.raises(ValueError, match=rf"LOC_val_solution\.csv: expected the class of {VAL[1]}, "):
        seen(tmp_path / "set", "imagenet")
    rows.append(f"{VAL[1][:-5]},n02119789 1 1 2 2")
    lines(write, tmp_path / "set/LOC_val_solution.csv", "ImageId,PredictionString", *rows)
    source, found = seen(tmp_path / "set", "imagenet")
    labels = {path.rsplit("/", 1)[1]: name for path, name, split in found if split == "val"}
    assert labels == dict(zip(VAL, ("n01440764", "n02119789", "n02119789"), strict=True))
    assert source.class_names == ("n01440764", "n02119789")
    assert [name for _, name, split in found if split == "test"] == [None, None]
    assert ("ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_1.JPEG", "n01440764", "train") in found


def test_imagenet_with_the_devkit(tmp_path, tree, write):
    """Numbers of the development kit are in no order of the classes' names."""
    root = ilsvrc(tmp_path / "imagenet", tree)
    kit = root / "ILSVRC2012_devkit_t12/data"
    lines(write, kit / "ILSVRC2012_validation_ground_truth.txt", "2", "1", "2")
    synsets = np.zeros((2, 1), [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)])
    for row, (number, name) in enumerate(((1, "n02119789"), (2, "n01440764"))):
        synsets[row, 0] = (float(number), name, "x")
    savemat(kit / "meta.mat", {"synsets": synsets})
    source, found = seen(root, "imagenet")
    assert [name for _, name, split in found if split == "val"] == ["n01440764", "n02119789", "n01440764"]
    assert source.notes == ("labels of val: by ILSVRC2012_validation_ground_truth.txt and meta.mat",)
    (root / "val" / VAL[0]).unlink()
    with pytest.raises(ValueError, match="expected a line for each of 2 images, found 3"):
        seen(root, "imagenet")
