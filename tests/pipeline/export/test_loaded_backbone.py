"""`load_backbone`: what evaluation computes, from arrays, Pillow's images and paths alike."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline import load_backbone
from pipeline.config.stages import FeaturesConfig, InitializeConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from stages import features, initialize
from tests.stages.conftest import tiny_config, tiny_prepared  # noqa: F401

RUNTIME = RuntimeConfig(threads=1)


def test_importing_the_package_stays_cheap():
    program = "import sys, pipeline; print(sorted({'numpy', 'jittor', 'PIL', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_features_are_those_of_the_features_stage(jt, tiny_prepared, tiny_config, tmp_path, rng):  # noqa: F811
    for name in ("initialize", "features"):
        (tmp_path / name).mkdir()
    config = InitializeConfig(backbone=tiny_config.backbone, normalization="dataset", seed=1)
    initialize.run(config, tmp_path / "initialize", data=tiny_prepared, runtime=RUNTIME)
    section = FeaturesConfig(resize=28, crop_size=24, num_blocks=1)
    inputs = {"backbone": tmp_path / "initialize", "data": tiny_prepared}
    features.run(section, tmp_path / "features", **inputs, runtime=RUNTIME)
    expected = np.load(tmp_path / "features" / "test_cls.npy")[:, 0]
    expected_mean = np.load(tmp_path / "features" / "test_patch_mean.npy")

    backbone = load_backbone(tmp_path / "initialize", resize=28, crop_size=24, device="cpu")
    dataset = PreparedDataset.open(tiny_prepared)
    images = np.stack([dataset.image(int(row)) for row in dataset.indices("test")])
    found = backbone.features(images, batch_size=5)
    assert (found.cls.shape, found.patches.shape) == ((12, 24), (12, 4, 4, 24))
    np.testing.assert_allclose(found.cls, expected, atol=1e-5)
    np.testing.assert_allclose(found.patches.mean(axis=(1, 2)), expected_mean, atol=1e-5)
    paths = []
    for index, image in enumerate(images[:2]):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        paths.append(tmp_path / f"{index}.png")
    for given in (paths, [Image.open(path) for path in paths], list(images[:2])):
        np.testing.assert_allclose(backbone.features(given).patches, found.patches[:2], atol=1e-5)
    # A JPEG eight times as large as is asked for: read whole, as Pillow's image of it is.
    Image.fromarray(rng.integers(0, 256, (224, 224, 3), np.uint8)).save(tmp_path / "large.jpg")
    by_path, opened = (
        backbone.features([given]).cls
        for given in (tmp_path / "large.jpg", Image.open(tmp_path / "large.jpg"))
    )
    np.testing.assert_allclose(by_path, opened, atol=1e-5)
    with pytest.raises(ValueError, match=r"image 0: expected \(H, W, 3\) uint8"):
        backbone.features(images.astype(np.float32))


def test_neither_path_nor_experiment(tmp_path):
    with pytest.raises(ValueError, match="a path, or experiment= and arm="):
        load_backbone()
    with pytest.raises(ValueError, match="expected an arm of smoke"):
        load_backbone(experiment="smoke", arm="nobody", results=tmp_path)
    with pytest.raises(ValueError, match=r"is not finished: doit run pretrain:hssl-seed0"):
        load_backbone(experiment="smoke", arm="hssl", results=tmp_path)
