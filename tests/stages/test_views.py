"""The stage in this process: the vectors of base and auxiliary head, and the pictures."""

import numpy as np
import pytest
from PIL import Image

from pipeline.config.stages import FeaturesConfig, RuntimeConfig
from pipeline.config.views import ViewsConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.contact_sheet import GAP, PANEL
from pipeline.views.files import BASE, HEAD, read_views
from stages import features, pretrain, views
from tests.stages.drawing import drawn_backbone

RUNTIME = RuntimeConfig(threads=1, log_every_steps=1)
FEATURES = FeaturesConfig(resize=24, crop_size=24, num_blocks=1, batch_size=8)


@pytest.fixture(scope="module")
def pretrained(jt, tiny_prepared, tmp_path_factory):
    from tests.pipeline.pretrain.small_run import small_config

    folder = tmp_path_factory.mktemp("pretrain")
    config = small_config(
        normalization="dataset",
        schedule={"epochs": 1, "batch_size": 12, "warmup_epochs": 0, "freeze_last_layer_epochs": 0},
        crops={"global_size": 24},
    )
    pretrain.run(config, folder, data=tiny_prepared, runtime=RUNTIME)
    return config, folder


def looked(output, backbone, data, **config):
    output.mkdir()
    views.run(ViewsConfig(features=FEATURES, **config), output, backbone=backbone, data=data, runtime=RUNTIME)
    return read_views(output)


def columns(path):
    with Image.open(path) as picture:
        return (picture.width + GAP) // (PANEL + GAP)


def test_base_and_head_are_looked_at_on_the_same_images(pretrained, tiny_prepared, tmp_path):
    config, backbone = pretrained
    found = looked(tmp_path / "views", backbone, tiny_prepared, pretraining=config, num_bank=10, num_shown=9)
    dataset = PreparedDataset.open(tiny_prepared)
    assert found.part == "test"
    assert {*found.rows.tolist()} <= {*dataset.indices("test").tolist()}
    assert {*found.bank_rows.tolist()} <= {*dataset.indices("train").tolist()}
    for side in (BASE, HEAD):
        assert found.vectors[side].shape == (9, 24)
        assert found.bank[side].shape == (10, 24)
    assert np.abs(found.vectors[BASE] - found.vectors[HEAD]).max() > 0.1
    assert columns(tmp_path / "views" / "pca.png") == 3
    assert columns(tmp_path / "views" / "attention.png") == 2 + config.backbone.num_heads


def test_the_base_is_the_one_whose_features_are_probed(pretrained, tiny_prepared, tmp_path):
    config, backbone = pretrained
    found = looked(tmp_path / "views", backbone, tiny_prepared, pretraining=config)
    folder = tmp_path / "features"
    folder.mkdir()
    features.run(FEATURES, folder, backbone=backbone, data=tiny_prepared, runtime=RUNTIME)
    np.testing.assert_array_equal(np.load(folder / "test_index.npy"), found.rows)
    np.testing.assert_allclose(np.load(folder / "test_cls.npy")[:, -1], found.vectors[BASE], atol=1e-5)


def test_the_head_is_the_one_that_was_trained_with_that_base(jt, pretrained, tiny_prepared, tmp_path):
    """Its vectors by the whole network, as pretraining left it in its checkpoint."""
    from pipeline.pretrain.step import initial_state
    from pipeline.training.checkpoint import load_checkpoint
    from pipeline.transforms.evaluation import center_crops

    config, backbone = pretrained
    found = looked(tmp_path / "views", backbone, tiny_prepared, pretraining=config, num_shown=3)
    dataset = PreparedDataset.open(tiny_prepared)
    crops = center_crops(
        [dataset.image(int(row)) for row in found.rows], 24, 24, mean=dataset.mean, std=dataset.std
    )
    state = load_checkpoint(backbone / "checkpoint.safetensors", initial_state(config))
    with jt.no_grad():
        expected = state.teacher.encode(jt.array(crops)).auxiliary_cls.numpy()
    np.testing.assert_allclose(found.vectors[HEAD], expected, atol=1e-5)


def test_without_its_checkpoint_a_pretraining_shows_its_base_alone(
    pretrained, tiny_prepared, tmp_path, capsys
):
    config, backbone = pretrained
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "backbone.safetensors").write_bytes((backbone / "backbone.safetensors").read_bytes())
    found = looked(tmp_path / "views", alone, tiny_prepared, pretraining=config)
    assert [*found.vectors] == [BASE]
    assert f"no view of the auxiliary head: the checkpoint in {alone} is gone" in capsys.readouterr().out


def test_a_backbone_that_was_not_pretrained_has_a_base_alone(jt, tiny_prepared, pretrained, tmp_path):
    folder = drawn_backbone(tmp_path / "initialize", pretrained[0].backbone, tiny_prepared)
    found = looked(tmp_path / "views", folder, tiny_prepared)
    assert [*found.vectors] == [*found.bank] == [BASE]
    assert columns(tmp_path / "views" / "pca.png") == 2
