import numpy as np
import pytest
from PIL import Image


def colour_png(path, values):
    """Save labels as R + 256 G."""
    values = np.asarray(values)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([values % 256, values // 256, values * 0], axis=-1).astype(np.uint8)).save(path)


@pytest.fixture
def imagenet_s(tmp_path, tree):
    root = tree(
        tmp_path / "ImageNetS50",
        [
            "train/n02/x.png", "train-semi/n01/1.png", "train-semi/n02/2.png", "validation/n02/3.png",
            "test/4.png",
        ],
    )  # fmt: skip
    for path in ("train-semi-segmentation/n01/1", "train-semi-segmentation/n02/2"):
        colour_png(root / f"{path}.png", [[0, 1, 2, 1000, 0]] * 4)
    colour_png(root / "validation-segmentation/n02/3.png", [[2, 2, 2, 2, 2]] * 4)
    return root


def test_labels_are_two_channels(imagenet_s, prepared):
    """T12: ImageNet-S: R + 256 G, 0 is the background, 1000 is ignored."""
    dataset = prepared(imagenet_s, val_share=0)
    assert dataset.summary["format"] == "imagenet-s"
    assert dataset.class_names == ["background", "n01", "n02"]
    assert [dataset.path(i) for i in range(3)] == [
        "train-semi/n01/1.png", "train-semi/n02/2.png", "validation/n02/3.png"
    ]  # fmt: skip
    assert dataset.label_map(0).tolist() == [[0, 1, 2, -1, 0]] * 4
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 1}


def test_labels_above_255(imagenet_s, prepared):
    """T12: the second channel counts."""
    colour_png(imagenet_s / "validation-segmentation/n02/3.png", [[258, 919, 0, 1000, 1]] * 4)
    names = [str(number) for number in range(920)]
    dataset = prepared(imagenet_s, class_names=names)
    assert dataset.label_map(2).tolist() == [[258, 919, 0, -1, 1]] * 4
    with pytest.raises(ValueError, match=r"4 pixels of value \d+, expected 0 to 2 or 1000 .ignored"):
        prepared(imagenet_s)
