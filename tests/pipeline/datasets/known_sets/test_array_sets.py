"""Sets that come as arrays of pixels."""

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import open_source
from pipeline.datasets.npz import read_npz


def opened(root, name):
    found, source = open_source(DataConfig(source=str(root)))
    assert found == name
    return source


@pytest.fixture
def stl10(tmp_path, rng):
    root = tmp_path / "stl10_binary"
    root.mkdir()
    images = rng.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)  # (n, row, column, colour)
    for split, count in (("train", 3), ("test", 2), ("unlabeled", 1)):
        # In the file: colour by colour, each column by column.
        images[:count].transpose(0, 3, 2, 1).tofile(root / f"{split}_X.bin")
    np.array([10, 1, 2], np.uint8).tofile(root / "train_y.bin")
    np.array([2, 10], np.uint8).tofile(root / "test_y.bin")
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    (root / "class_names.txt").write_text("\n".join(names))
    return root, images


def test_stl10(stl10, prepared):
    root, images = stl10
    source = opened(root, "stl-10")
    entries = list(source.entries())
    assert [entry.class_name for entry in entries] == ["truck", "airplane", "bird", "bird", "truck", None]
    assert np.array_equal(source.read("train/000002", 2, -1), images[2])
    dataset = prepared(root.parent / "stl10_binary", val_share=0.0)
    assert dataset.summary["counts"] == {"train": 4, "val": 0, "test": 2}
    assert np.array_equal(dataset.image(1), images[1])


def test_a_cut_file_of_stl10_is_named(stl10):
    root, _ = stl10
    (root / "test_X.bin").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"test_X\.bin: expected images of 27648 bytes, found 100 bytes"):
        opened(root, "stl-10")


def test_svhn(tmp_path, rng):
    images = rng.integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    for split in ("train", "test", "extra"):
        digits = np.array([[10], [1], [9], [2]], np.uint8)
        savemat(tmp_path / f"{split}_32x32.mat", {"X": images, "y": digits})
    source = opened(tmp_path, "svhn")
    assert [entry.class_name for entry in source.entries()] == ["0", "1", "9", "2"] * 3
    assert source.class_names == tuple("0123456789")
    assert np.array_equal(source.read("test/000003", 3, -1), images[..., 3])
    assert source.notes[0].startswith("extra_32x32.mat is training data too")
    savemat(tmp_path / "test_32x32.mat", {"X": images, "y": np.zeros((4, 1))})
    with pytest.raises(ValueError, match=r"test_32x32\.mat: y: expected digits from 1 to 10, found 0"):
        opened(tmp_path, "svhn")


def test_several_labels_of_medmnist_are_refused_where_one_is_stated(tmp_path):
    images = np.zeros((5, 28, 28), np.uint8)
    np.savez(tmp_path / "chestmnist.npz", train_images=images, train_labels=np.zeros((5, 14), np.uint8))
    with pytest.raises(
        ValueError, match=r"expected one label for each image, found 14 columns of 0 and 1 with several"
    ):
        read_npz(tmp_path / "chestmnist.npz", labels="one")
    assert read_npz(tmp_path / "chestmnist.npz").is_multilabel
