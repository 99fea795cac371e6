import numpy as np
import pytest

from pipeline.datasets.npz import is_npz, read_npz


@pytest.mark.parametrize(("images", "labels"), [("train_images", "train_labels"), ("x_train", "y_train")])
def test_key_names(tmp_path, rng, images, labels):
    pixels = rng.integers(0, 256, (4, 3, 2, 3), dtype=np.uint8)
    np.savez_compressed(
        tmp_path / "a.npz", **{images: pixels, labels: [[1], [0], [1], [-1]]}, class_names=["x", "y"]
    )
    source = read_npz(tmp_path / "a.npz")
    assert is_npz(tmp_path / "a.npz")
    assert [e.class_name for e in source.entries()] == ["y", "x", "y", None]
    assert np.array_equal(source.read("train/000002", 2, -1), pixels[2])


IMAGES = np.zeros((2, 3, 3), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": IMAGES}, "expected arrays such as train_images.*pictures"),
        ({"train_images": IMAGES.astype(np.float32)}, "uint8, found float32"),
        ({"train_images": np.zeros((2, 3, 8, 8), np.uint8)}, r"found shape \(2, 3, 8, 8\)"),
        ({"train_images": IMAGES, "train_labels": [1, 2, 3]}, "expected 2 integer labels"),
        ({"train_images": IMAGES, "train_labels": [0.5, 1]}, "dtype float64"),
        ({"train_images": IMAGES, "train_labels": [0, -2]}, "found -2"),
        (
            {"train_images": IMAGES, "train_labels": [0, 2], "class_names": ["a", "b"]},
            "below 2.*\n?.*found 2",
        ),
        ({"train_images": IMAGES, "class_names": ["a", "a"]}, "distinct class names"),
        (
            {"train_images": IMAGES, "train_labels": [0, 2**20]},
            "expected labels that count classes from 0, found 1048576: numbers of another byte order",
        ),
        (
            {"train_images": IMAGES, "train_labels": np.array([0, 1], ">i8").view("<i8")},
            "expected labels that count classes from 0, found 72057594037927936",
        ),
        ({"train_images": np.array([{}, {}], dtype=object)}, "train_images: expected plain numbers"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_npz(tmp_path / "a.npz")


def test_a_stated_part_that_is_not_there_is_an_error(tmp_path, prepared):
    images = np.arange(90, dtype=np.uint8).reshape(10, 3, 3)
    np.savez(tmp_path / "a.npz", x_test=images, y_test=np.arange(10) % 2)
    with pytest.raises(ValueError, match="found only 'test'; to train on it state"):
        prepared(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"data\.parts: no part is called 'tset'"):
        prepared(tmp_path / "a.npz", parts={"tset": "train"})
    assert prepared(tmp_path / "a.npz", parts={"test": "train"}).summary["num_images"] == 10


def test_the_highest_number_that_is_a_class(tmp_path):
    np.savez(tmp_path / "a.npz", train_images=IMAGES, train_labels=[0, 2**20 - 1])
    assert len(read_npz(tmp_path / "a.npz").class_names) == 2**20


def test_arrays_that_are_not_read_are_named(tmp_path, rng):
    images = rng.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
    others = {name: np.zeros(2) for name in ("ids", "masks")}
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(4), **others)
    assert read_npz(tmp_path / "a.npz").notes == ("not read: the arrays ids, masks",)
    np.savez(tmp_path / "b.npz", images=images, labels=np.arange(4), class_names=list("abcd"))
    assert read_npz(tmp_path / "b.npz").notes == ()
