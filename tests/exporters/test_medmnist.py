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
