import numpy as np
import pytest

from pipeline.config.data import DataConfig, PhotoScenesConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.files import read_json
from stages.prepare import described, run

COUNTS = {"num_train": 6, "num_val": 3, "num_test": 4}


@pytest.mark.parametrize("drawing", ["patches", "mosaics", "objects"])
def test_photo_scenes(tmp_path, capsys, drawing):
    config = DataConfig(photo_scenes=PhotoScenesConfig(drawing=drawing, **COUNTS))
    digest = run(config, tmp_path, runtime=RuntimeConfig())
    dataset = PreparedDataset.open(tmp_path)
    assert digest == dataset.content_digest
    assert [len(dataset.indices(split)) for split in ("train", "val", "test")] == [6, 3, 4]
    assert "6 train (train), 3 val (val), 4 test (test)" in capsys.readouterr().out
    assert read_json(tmp_path / "card.json")
    if drawing == "mosaics":
        label_maps = np.load(tmp_path / "label_maps_val.npy", allow_pickle=False)
        assert label_maps.shape == (3, 32, 32)
        assert label_maps.dtype == np.uint8
    if drawing == "objects":
        assert len(read_json(tmp_path / "annotations_test.json")["images"]) == 4


def test_what_was_left_out_is_said():
    summary = {
        "name": "x", "format": "archive", "counts": {"train": 2}, "split_names": {"train": "all images"},
        "class_names": [], "num_quarantined": 3, "num_unused": 4, "num_outside_splits": 5,
        "duplicates": {"test_in_train": 6},
    }  # fmt: skip
    lines = described(summary)
    assert lines[0] == "x (archive): 2 train (all images); 0 classes"
    assert [int("".join(filter(str.isdigit, line))) for line in lines[1:]] == [3, 4, 5, 6]
