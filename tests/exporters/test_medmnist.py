"""MedMNIST's archives, image by image as medmnist itself reads them."""

import json

import numpy as np
import pytest

from pipeline.datasets.multilabel import read_label_sets


@pytest.fixture
def folder(written_by):
    return written_by("write_medmnist", "medmnist")


@pytest.mark.parametrize("flag", ["pathmnist", "pneumoniamnist", "chestmnist"])
def test_images_labels_and_splits(folder, prepared, flag):
    data = prepared(folder / flag / f"{flag}.npz")
    seen = json.loads((folder / f"{flag}.json").read_text())
    for split, pairs in seen.items():
        rows = data.indices(split)
        assert len(rows) == len(pairs)
        for row, (image, target) in zip(rows, pairs, strict=True):
            pixels = np.asarray(image)
            assert np.array_equal(data.image(row), pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2))
            if len(target) == 1:
                assert data.class_names[data.labels[row]] == str(target[0])
            else:
                assert read_label_sets(data)[row].tolist() == target


@pytest.mark.parametrize("flag", ["pathmnist", "chestmnist"])
def test_pictures_and_a_list_without_names_of_columns(folder, prepared, flag):
    data = prepared(folder / "saved" / flag)
    assert data.summary["format"] == "csv"
    seen = json.loads((folder / f"{flag}.json").read_text())
    for split, pairs in seen.items():
        rows = {data.path(row).split("_")[0].rsplit("/", 1)[-1]: row for row in data.indices(split)}
        assert sorted(rows) == sorted(f"{split}{number}" for number in range(len(pairs)))
        for number, (_, target) in enumerate(pairs):
            row = rows[f"{split}{number}"]
            if len(target) == 1:
                assert data.class_names[data.labels[row]] == str(target[0])
            else:
                assert read_label_sets(data)[row].tolist() == target
