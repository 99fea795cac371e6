"""The floor of segmentation, on label sets small enough to score by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.config.dense import PositionConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.preparing import prepare
from stages import position


@pytest.fixture
def prepared(tmp_path):
    """Sky over ground in training, of two sizes; one test image is alike, one is upside down."""
    sky_over_ground = [np.repeat([[0], [1]], side, axis=0).repeat(20, axis=1) for side in (10, 15)]
    parts = {"train": sky_over_ground, "test": [sky_over_ground[0], sky_over_ground[1][::-1]]}
    for part, label_maps in parts.items():
        for name in ("images", "masks"):
            (tmp_path / "set" / name / part).mkdir(parents=True)
        for number, labels in enumerate(label_maps):
            image = np.random.default_rng(number).integers(0, 255, (*labels.shape, 3)).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / "set" / "images" / part / f"{number}.png")
            labels = labels.astype(np.uint8)
            Image.fromarray(labels).save(tmp_path / "set" / "masks" / part / f"{number}.png")
    output = tmp_path / "prepared"
    output.mkdir()
    config = DataConfig(source=str(tmp_path / "set"), class_names=("sky", "ground", "sea"), val_share=0.0)
    prepare(config, output, num_workers=1)
    return output


def test_every_task_of_segmentation_gets_the_score_of_the_position(prepared, tmp_path):
    config = PositionConfig(num_bootstrap={"segment-uper-frozen": 30, "clusters": 20})
    position.run(config, tmp_path, data=prepared, runtime=RuntimeConfig(threads=1))
    rows = {(row["task"], row["metric"]): row for row in json.loads((tmp_path / "rows.json").read_text())}
    # Test pixels: 400 right; 600 wrong, 300 of each class. IoU of both: 200 right, of 200 + 300 + 300.
    assert {key: row["value"] for key, row in rows.items()} == {
        ("segment-uper-frozen", "miou"): 0.25,
        ("segment-uper-frozen", "macc"): 0.4,
        ("segment-uper-frozen", "aacc"): 0.4,
        ("clusters", "miou"): 0.25,
    }
    assert "2 training images" in rows["clusters", "miou"]["protocol"]
    with np.load(tmp_path / "replicates.npz") as replicates:
        assert replicates["segment-uper-frozen miou"].shape == (30,)
        # An image twice in a resample of two: everything right, or everything wrong.
        assert {0.0, 1.0} <= {*replicates["clusters miou"].tolist()}
