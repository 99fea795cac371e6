"""`doit run embed`: the same vectors as the stage `features` stored, and refusals of one line."""

import numpy as np
import pytest
from PIL import Image

from pipeline.config.stages import FeaturesConfig, InitializeConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.graph.finished import Arm
from pipeline.inference.embedding import embed
from pipeline.inference.images import Decoding, open_images
from stages import embed as stage
from stages import features, initialize

RUNTIME = RuntimeConfig(threads=1)


def test_the_vectors_are_the_stored_features(jt, tiny_prepared, tiny_config, tmp_path):
    backbone, stored, images = (tmp_path / name for name in ("backbone", "features", "images"))
    for folder in (backbone, stored, images):
        folder.mkdir()
    settings = InitializeConfig(backbone=tiny_config.backbone, normalization="dataset", seed=1)
    initialize.run(settings, backbone, data=tiny_prepared, runtime=RUNTIME)
    config = FeaturesConfig(resize=26, crop_size=24, num_blocks=2, batch_size=8)
    features.run(config, stored, backbone=backbone, data=tiny_prepared, runtime=RUNTIME)
    dataset = PreparedDataset.open(tiny_prepared)
    for row in dataset.indices("test").tolist():
        Image.fromarray(dataset.image(row)).save(images / f"{row:03d}.png")
    arm, decoding = (
        Arm(backbone / "backbone.safetensors", tiny_prepared, config),
        Decoding.of_prepared(tiny_prepared),
    )
    embedding, about = stage.opened(
        arm, open_images(str(images), decoding.max_pixels), decoding, "", RUNTIME, with_patches=True
    )
    (part,) = embed(embedding, tmp_path / "parts", lambda *counts: None)
    with np.load(part) as vectors:
        np.testing.assert_array_equal(vectors["cls"], np.load(stored / "test_cls.npy")[:, -1])
        np.testing.assert_array_equal(vectors["patch_mean"], np.load(stored / "test_patch_mean.npy"))
        np.testing.assert_allclose(vectors["patches"].mean(axis=1), vectors["patch_mean"], atol=1e-5)
        assert vectors["patches"].shape == (12, 16, 24)
    assert about["patches"] == [4, 4, 24]
    assert about["weights"] == "random"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "missing option data=; usage: doit run embed"),
        ({"data": "nowhere"}, "data=nowhere: no such file or folder"),
        ({"format": "hdf5"}, "format=hdf5: expected one of parquet, npz, csv"),
        ({"format": "csv", "patches": "yes"}, "a .csv holds no patch tokens"),
        ({"arm": "dino"}, "arm=dino: expected an arm of smoke (random, ibot, hssl)"),
        ({"seed": "7"}, "seed=7: expected a seed of smoke (0)"),
        ({}, "pretrain:hssl-seed0 of smoke is not finished"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, monkeypatch, capfd, changes, message):
    monkeypatch.setattr(stage, "RESULTS", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    options = {"arm": "hssl", "data": str(tmp_path), "experiment": "smoke"} | changes
    assert stage.main([f"{name}={value}" for name, value in options.items() if value]) == 1
    printed = capfd.readouterr().err.strip()
    assert message in printed
    assert "\n" not in printed
    if not changes:
        assert printed.endswith("doit run pretrain:hssl-seed0 experiment=smoke")
