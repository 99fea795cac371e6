"""Folders and arrays of classes as public bug reports describe them."""

import numpy as np
import pytest
from PIL import Image, features

from tests.reported.drawing import class_folder, picture, save

NAMES = ("apple", "bolt", "cup")


def classes_of(data, split):
    """{class, or None: how many images of a split have it}."""
    labels = data.labels[data.indices(split)]
    names = [data.class_names[label] if label >= 0 else None for label in labels]
    return {name: names.count(name) for name in set(names)}


def test_a_flat_val_part_without_labels_tests_nothing(tmp_path, prepared):
    for number, name in enumerate(NAMES):
        class_folder(tmp_path / "set/train" / name, 10, first=100 * number, suffix=".JPEG")
    class_folder(tmp_path / "set/val", 8, first=900, suffix=".JPEG")
    data = prepared(tmp_path / "set", val_share=0.0)
    assert classes_of(data, "train") == dict.fromkeys(NAMES, 8)
    assert classes_of(data, "test") == dict.fromkeys(NAMES, 2)
    assert data.summary["num_unused"] == 8


def test_the_only_folder_of_a_split_is_no_class(tmp_path, prepared):
    class_folder(tmp_path / "set/train/images", 12, first=0)
    class_folder(tmp_path / "set/val/images", 6, first=900)
    data = prepared(tmp_path / "set")
    assert data.class_names == []
    assert data.summary["counts"] == {"train": 12, "val": 6, "test": 0}
    assert any(line.startswith("no class: train/images/, val/images/") for line in data.summary["notes"])


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_avif_is_read(tmp_path, prepared):
    class_folder(tmp_path / "set/apple", 6, first=0)
    class_folder(tmp_path / "set/bolt", 3, first=100)
    class_folder(tmp_path / "set/bolt", 3, first=200, suffix=".avif")
    class_folder(tmp_path / "set/cup", 6, first=300, suffix=".avif")
    data = prepared(tmp_path / "set", val_share=0.0, test_share=0.0)
    assert classes_of(data, "train") == dict.fromkeys(NAMES, 6)


def test_litter_and_an_empty_class(tmp_path, prepared):
    root = tmp_path / "set"
    for number, name in enumerate(NAMES):
        class_folder(root / name, 6, first=100 * number, suffix=".JPG")
        for litter in ("._1.JPG", "Thumbs.db"):
            (root / name / litter).write_text("x")
        class_folder(root / name / ".ipynb_checkpoints", 2, first=100 * number + 50)
    (root / "drill").mkdir()
    (root / ".DS_Store").write_text("x")
    data = prepared(root, val_share=0.0, test_share=0.0)
    assert classes_of(data, "train") == dict.fromkeys(NAMES, 6)
    assert "folders without an image that can be read: drill/" in data.summary["notes"]


def test_fewer_images_than_a_batch(tmp_path, prepared):
    for number, name in enumerate(NAMES[:2]):
        class_folder(tmp_path / "set" / name, 8, first=100 * number)
    data = prepared(tmp_path / "set")
    assert sum(data.summary["counts"].values()) == 16
    assert classes_of(data, "train").keys() == set(NAMES[:2])


def test_training_and_testing_are_splits(tmp_path, prepared):
    for number, name in enumerate(NAMES):
        class_folder(tmp_path / "set/Training" / name, 6, first=100 * number)
        class_folder(tmp_path / "set/Testing" / name, 3, first=100 * number + 50)
    data = prepared(tmp_path / "set", val_share=0.0)
    assert classes_of(data, "train") == dict.fromkeys(NAMES, 6)
    assert classes_of(data, "test") == dict.fromkeys(NAMES, 3)


def test_classes_that_differ_between_splits_are_counted(tmp_path, prepared):
    for number, name in enumerate(NAMES):
        class_folder(tmp_path / "set/train" / name, 6, first=100 * number)
    for number, name in enumerate(("apple", "Bolt", "drill")):
        class_folder(tmp_path / "set/val" / name, 3, first=100 * number + 50)
    data = prepared(tmp_path / "set")
    assert data.split_names["test"] == "val, 6 of 9 of classes without training images"
    notes = data.summary["notes"]
    assert "caution: 6 of 9 test images are of classes without training images: Bolt 3, drill 3" in notes
    assert "caution: 2 training classes have no test image: bolt, cup" in notes
    assert "caution: class names that differ in case or spaces only: Bolt, bolt" in notes


def test_line_scans(tmp_path, prepared):
    for number, name in enumerate(NAMES[:2]):
        for place, size in enumerate([(200, 5000), (200, 5000), (4, 3000)]):
            rows = np.random.default_rng(10 * number + place).integers(
                0, 255, (size[1] // 50, 1, 3), np.uint8
            )
            save(Image.fromarray(rows).resize(size, Image.NEAREST), tmp_path / "set" / name / f"{place}.png")
    data = prepared(tmp_path / "set", val_share=0.0, test_share=0.0)
    assert sorted(data.size(row) for row in range(len(data))) == [(4, 3000)] * 2 + [(200, 5000)] * 4


def test_arrays_with_channels_first_are_refused_and_one_hot_labels_read(tmp_path, prepared):
    images = np.stack([np.asarray(picture(number).resize((8, 8))) for number in range(12)])
    one_hot = np.eye(3, dtype=np.int64)[np.arange(12) % 3]
    file = tmp_path / "shots.npz"
    np.savez(file, x_train=images.transpose(0, 3, 1, 2), y_train=one_hot)
    with pytest.raises(
        ValueError, match=r"x_train: expected images \(n, H, W\) .*found shape \(12, 3, 8, 8\)"
    ):
        prepared(file)
    np.savez(file, x_train=images, y_train=one_hot)
    data = prepared(file, val_share=0.0, test_share=0.0)
    assert data.labels.tolist() == (np.arange(12) % 3).tolist()
