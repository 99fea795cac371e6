"""torchvision: what its loaders make of a layout is what is read here, image by image."""

import hashlib
import json

import pytest


@pytest.fixture
def folder(written_by):
    return written_by("torchvision_layouts", "torchvision")


def seen(data, split):
    """Digest of every image's pixels, with its class."""
    return sorted(
        [hashlib.sha256(data.image(row).tobytes()).hexdigest(), data.class_names[data.labels[row]]]
        for row in data.indices(split).tolist()
    )


ROLES = {"trainval": "train", "valid": "val"}


@pytest.mark.parametrize(
    "name",
    [
        "image-folder", "pets", "flowers", "dtd", "food", "country",
        "stl", "svhn", "mnist", "fashion", "kmnist", "qmnist",
    ],
)  # fmt: skip
def test_classes_and_splits(folder, prepared, name):
    data = prepared(folder / name)
    for split, expected in json.loads((folder / f"{name}.json").read_text()).items():
        found = seen(data, ROLES.get(split, split))
        if name == "stl" and split == "train":  # with the images that have no labels
            found = [each for each in found if each[0] in {digest for digest, _ in expected}]
        assert found == sorted(expected), split


@pytest.mark.parametrize("name", ["eurosat", "sun"])
def test_classes_of_sets_without_splits(folder, prepared, name):
    data = prepared(folder / name)
    found = [each for split in ("train", "val", "test") for each in seen(data, split)]
    assert sorted(found) == sorted(json.loads((folder / f"{name}.json").read_text())["all"])
