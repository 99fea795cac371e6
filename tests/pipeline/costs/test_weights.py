"""Numbers of weights beside those of the networks that are built."""

import numpy as np
import pytest

from pipeline.config.backbone import BASES, BackboneConfig
from pipeline.config.experiment import Experiment
from pipeline.costs.weights import backbone_weights, projection_weights


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("vit", {"size": "tiny"}),
        ("vit", {"size": "tiny", "patch_size": 8, "image_size": 64, "mlp_ratio": 2.0, "channels": 5}),
        ("swin", {"size": "tiny", "window_size": 7}),
        ("convnext", {"size": "tiny"}),
        ("resnet", {"size": "18"}),
        ("resnet", {"size": "50"}),
        ("resnet", {"size": "18", "patch_size": 1, "image_size": 32}),
    ],
)
def test_bases(jt, kind, changes):
    from pipeline.models.backbones import build_backbone

    config = BackboneConfig(kind=kind, **changes)
    built = sum(int(np.prod(value.shape)) for value in build_backbone(config).state_dict().values())
    assert 0.96 * built < backbone_weights(config) <= built


def test_every_base_is_counted():
    for kind in BASES:
        assert backbone_weights(BackboneConfig(kind=kind)) > 1e6


def test_the_projection_head():
    experiment = Experiment.model_validate({"name": "e", "arms": ["ibot", "simclr"], "baseline": "ibot"})
    of_arm = {arm: projection_weights(experiment.pretrain_config(arm, 0)) for arm in experiment.arms}
    # ViT-S: 384 to 2048, 2048, 256, 8192 prototypes.
    assert of_arm == {"ibot": 384 * 2048 + 2048 * 2048 + 2048 * 256 + 256 * 8192, "simclr": 0}
