"""Weights of another project become an arm's backbone, evaluated like any other."""

import json

import numpy as np
import pytest

from pipeline.config.stages import FeaturesConfig, RuntimeConfig
from pipeline.config.weights import ForeignConfig, digest_of_source
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.features import load_crops
from pipeline.transforms.evaluation import center_crops
from pipeline.weights.error import WeightsError
from pipeline.weights.foreign import IMAGENET
from stages import convert, features

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
from tests.pipeline.weights import torch_networks as networks  # noqa: E402

RUNTIME = RuntimeConfig()


@pytest.fixture
def saved(tmp_path):
    network = networks.randomised(networks.TimmVit())
    torch.save({"teacher": network.state_dict()}, tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth", network


def test_the_features_stage_reads_what_was_converted(jt, saved, tiny_prepared, tmp_path):
    path, network = saved
    config = ForeignConfig(source=str(path), sha256=digest_of_source(path), num_heads=2)
    (tmp_path / "convert").mkdir()
    convert.run(config, tmp_path / "convert", runtime=RUNTIME)
    conversion = json.loads((tmp_path / "convert" / "conversion.json").read_text())
    assert conversion["layout"] == "ViT by timm's names"
    assert "taken: 'teacher'" in conversion["notes"]
    section = FeaturesConfig(resize=20, crop_size=16, num_blocks=2)
    (tmp_path / "features").mkdir()
    inputs = {"backbone": tmp_path / "convert", "data": tiny_prepared}
    features.run(section, tmp_path / "features", **inputs, runtime=RUNTIME)

    dataset = PreparedDataset.open(tiny_prepared)
    mean, std = (np.array(values, np.float32) for values in IMAGENET)

    def crop(images):
        return center_crops(images, 20, 16, mean=mean, std=std)

    crops = load_crops(dataset, dataset.indices("test"), resize=20, crop=crop, batch_size=12)
    with torch.no_grad():
        expected = network.features(torch.from_numpy(crops)).cls[:, -2:].numpy()
    found = np.load(tmp_path / "features" / "test_cls.npy")
    assert np.abs(found - expected).max() < 1e-4


def test_a_file_that_changed_since_the_experiment_was_read_is_refused(saved, tmp_path):
    path, network = saved
    config = ForeignConfig(source=str(path), sha256=digest_of_source(path), num_heads=2)
    torch.save(network.state_dict(), path)
    with pytest.raises(WeightsError, match=r"theirs.pth: its SHA-256 is .*, expected"):
        convert.run(config, tmp_path, runtime=RUNTIME)
    assert not (tmp_path / "backbone.safetensors").exists()
