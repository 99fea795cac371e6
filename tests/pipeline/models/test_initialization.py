import numpy as np

from pipeline.config.backbone import BackboneConfig
from tests.pipeline.pretrain.small_run import small_config


def test_first_values_follow_the_rules(jt):
    from pipeline.models.initialization import STD, initial_value

    weight = initial_value("blocks.0.mlp.expand.weight", (200, 100), seed=0)
    assert abs(weight).max() <= 2 * STD
    # A normal distribution cut at two deviations has 0.8796 of its deviation left.
    assert abs(weight.std() / STD - 0.8796) < 0.02
    assert (initial_value("blocks.0.norm_mlp.weight", (8,), seed=0) == 1).all()
    assert (initial_value("norm.weight", (8,), seed=0) == 1).all()
    assert (initial_value("norm.bias", (8,), seed=0) == 0).all()
    assert not np.array_equal(weight, initial_value("blocks.1.mlp.expand.weight", (200, 100), seed=0))
    assert not np.array_equal(weight, initial_value("blocks.0.mlp.expand.weight", (200, 100), seed=1))


def test_all_arms_start_from_one_backbone(jt):
    from pipeline.models.hssl import HSSLNetwork
    from pipeline.models.initialization import initialize
    from pipeline.models.vit import VisionTransformer
    from pipeline.models.weights import named_arrays

    alone = VisionTransformer(BackboneConfig.model_validate(small_config().backbone.model_dump()))
    hssl, ibot = HSSLNetwork(small_config()), HSSLNetwork(small_config(auxiliary_head=None))
    for network in (alone, hssl, ibot):
        initialize(network, seed=5)
    expected = named_arrays(alone)
    for network in (hssl.backbone, ibot.backbone):
        found = named_arrays(network)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
