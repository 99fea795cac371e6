"""What a probe is given, from features of three splits."""

import json

import numpy as np
import pytest

from pipeline.datasets.label_subset import LabelSubset, write_subset
from pipeline.evaluate.probe_data import open_probe

LABELS = {"train": [0, 1, 0, 1, -1], "val": [-1, -1], "test": [1, 0, -1]}


@pytest.fixture
def features(tmp_path):
    folder = tmp_path / "features"
    folder.mkdir()
    for split, labels in LABELS.items():
        np.save(folder / f"{split}_cls.npy", np.zeros((len(labels), 1, 4), np.float32))
        np.save(folder / f"{split}_patch_mean.npy", np.zeros((len(labels), 4), np.float32))
        np.save(folder / f"{split}_labels.npy", np.array(labels))
        np.save(folder / f"{split}_index.npy", 10 + np.arange(len(labels)))
    summary = {
        "dataset": "made up",
        "class_names": ["a", "b"],
        "num_images": {split: len(labels) for split, labels in LABELS.items()},
        "num_blocks": 1,
        "embed_dim": 4,
        "split_names": {split: split for split in LABELS},
    }
    (folder / "features.json").write_text(json.dumps(summary))
    return folder


def test_labelled_images_of_the_subset_are_learnt_from(features, tmp_path):
    whole = open_probe(features, tmp_path / "out")
    assert whole.train.index.tolist() == [10, 11, 12, 13]
    assert whole.val is None
    assert whole.test_images.labels.tolist() == [1, 0]
    assert whole.subset.rows is None
    write_subset(tmp_path / "subset", LabelSubset(0.5, np.array([10, 13])))
    half = open_probe(features, tmp_path / "out", labels=tmp_path / "subset")
    assert half.train.index.tolist() == [10, 13]
    assert half.train.labels.tolist() == [0, 1]
    assert half.test_images.index.tolist() == [10, 11]
    assert not (tmp_path / "out").exists(), "nothing to say"


def test_a_probe_that_cannot_be_made_says_why(features, tmp_path, capsys):
    assert open_probe(features, tmp_path / "out", needs_val=True) is None
    reason = "no probe of made up: no labelled images in the parts val\n"
    assert (tmp_path / "out" / "no_rows.txt").read_text() == reason
    assert json.loads((tmp_path / "out" / "rows.json").read_text()) == []
    assert capsys.readouterr().out == reason
