"""From a backbone to features to k-NN, in this process."""

import json

import numpy as np
import pytest

from pipeline.config.stages import FeaturesConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.probes.settings import KnnConfig
from pipeline.storage.files import sha256_of_file
from stages import features, probe
from tests.stages.drawing import drawn_backbone

RUNTIME = RuntimeConfig(threads=1)


@pytest.fixture
def backbone(jt, tiny_prepared, tiny_config, tmp_path):
    return drawn_backbone(tmp_path / "initialize", tiny_config.backbone, tiny_prepared)


def extracted(backbone, data, output, **changes):
    output.mkdir()
    config = FeaturesConfig(resize=24, crop_size=24, num_blocks=2).model_copy(update=changes)
    features.run(config, output, backbone=backbone, data=data, runtime=RUNTIME)
    return output


def test_features_to_knn(backbone, tiny_prepared, tmp_path):
    folder = extracted(backbone, tiny_prepared, tmp_path / "features", batch_size=8)
    dataset = PreparedDataset.open(tiny_prepared)
    for split, size in (("train", 36), ("val", 12), ("test", 12)):
        stored = {
            name: np.load(folder / f"{split}_{name}.npy") for name in ("cls", "patch_mean", "labels", "index")
        }
        assert (stored["cls"].shape, stored["patch_mean"].shape) == ((size, 2, 24), (size, 24))
        np.testing.assert_array_equal(stored["index"], dataset.indices(split))
        np.testing.assert_array_equal(stored["labels"], dataset.labels[stored["index"]])
    summary = json.loads((folder / "features.json").read_text())
    assert summary["num_images"] == {"train": 36, "val": 12, "test": 12}
    assert summary["backbone_sha256"] == sha256_of_file(backbone / "backbone.safetensors")
    assert summary["weights"] == "random"
    output = tmp_path / "knn"
    output.mkdir()
    probe.run(KnnConfig(ks=(1, 5), num_bootstrap=50), output, features=folder, runtime=RUNTIME)
    rows = {row["metric"]: row for row in json.loads((output / "rows.json").read_text())}
    # Colour tells the classes apart, also to a random network.
    assert rows["top1"]["value"] > 0.9
    assert (rows["top1"]["num_images"], rows["top1"]["split"]) == (12, "test")


def test_the_batch_size_does_not_change_the_features(backbone, tiny_prepared, tmp_path):
    one, other = (
        np.load(extracted(backbone, tiny_prepared, tmp_path / str(size), batch_size=size) / "test_cls.npy")
        for size in (5, 12)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_backbone_without_a_student_has_no_features_of_one(backbone, tiny_prepared, tmp_path):
    from pipeline.models.weights import WeightsError

    with pytest.raises(WeightsError, match=r"student\.safetensors: not a readable"):
        extracted(backbone, tiny_prepared, tmp_path / "features", weights="student")
