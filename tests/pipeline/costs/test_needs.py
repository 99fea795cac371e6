"""What stages need at least, worked out by hand."""

import pytest

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.experiment import Experiment
from pipeline.config.finetune import FinetuneConfig
from pipeline.config.stages import FeaturesConfig
from pipeline.costs.needs import Need, least_need
from pipeline.costs.weights import backbone_weights, projection_weights

# 10 tokens of 8 numbers, in 2 blocks.
BASE = {"size": "custom", "image_size": 12, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2}
KEPT = 4 * 2 * 10 * (6 + 4) * 8  # bytes of an image


def pretrain_config(arm="ibot", **changes):
    sections = {
        "name": "e", "arms": [arm, "random"], "baseline": "random", "backbone": BASE,
        "features": {"num_blocks": 1}, "linear": {"num_blocks": 1},
        "crops": {"global_size": 12, "num_local": 0}, "schedule": {"batch_size": 12, "accumulation_steps": 3},
    }  # fmt: skip
    return Experiment.model_validate(sections | changes).pretrain_config(arm, 0)


def test_a_pretraining():
    config = pretrain_config()
    weights = 4 * (backbone_weights(config.backbone) + projection_weights(config))
    # Weights, gradients, two moments and the teacher; four images of two views at once.
    expected = Need(5 * weights, 4 * 2 * KEPT, 4 * weights, "raise schedule.accumulation_steps")
    assert least_need(config, config.backbone, 0) == expected
    assert expected.memory == 5 * weights + 8 * KEPT


def test_a_method_that_compares_all_images_of_a_batch_has_another_remedy():
    config = pretrain_config("simclr", schedule={"batch_size": 12})
    found = least_need(config, config.backbone, 0)
    weights = 4 * backbone_weights(config.backbone)
    assert found == Need(4 * weights, 12 * 2 * KEPT, 3 * weights, "lower schedule.batch_size")


def test_features():
    backbone = BackboneConfig.model_validate(BASE)
    config = FeaturesConfig(resize=16, crop_size=12, num_blocks=2, batch_size=5)
    weights, images = 4 * backbone_weights(backbone), 5 * 3 * 12 * 12 * 4
    expected = Need(weights, images, 100 * 2 * 8 * 4, "lower features.batch_size")
    assert least_need(config, backbone, 100) == expected


@pytest.mark.parametrize("frozen", [True, False])
def test_dense_tasks(frozen):
    backbone = BackboneConfig.model_validate(BASE)
    weights = 4 * backbone_weights(backbone)
    experiment = Experiment.model_validate(
        {
            "name": "e",
            "segmentation": {"view": {"crop_size": 12, "stride": 12}, "schedule": {"batch_size": 3}},
            "detection": {"view": {"short_sides": [24, 12]}, "schedule": {"batch_size": 3}},
        }
    )
    for section, stage in (("segmentation", SegmentConfig), ("detection", DetectConfig)):
        given = getattr(experiment, section)
        config = stage.model_construct(frozen=frozen, view=given.view, schedule=given.schedule)
        found = least_need(config, backbone, 0)
        held = weights if frozen else 4 * weights
        assert (found.held, found.of_batch) == (held, 0 if frozen else 3 * KEPT)
        assert found.batch_key == f"lower {section}.schedule.batch_size"


STAGES = {"size": "custom", "image_size": 64, "embed_dim": 8, "depths": (1, 1, 2, 1)}
# Blocks x positions x channels of each stage: 16 x 16 of 8, 8 x 8 of 16, twice 4 x 4 of 32, 2 x 2 of 64.
NUMBERS = 16**2 * 8 + 8**2 * 16 + 2 * 4**2 * 32 + 2**2 * 64


@pytest.mark.parametrize(
    ("kind", "of_position"),
    [
        ({"kind": "swin", "num_heads": 2}, 10),  # input, q, k, v, what attention gives, the sum, 4 hidden
        ({"kind": "convnext"}, 6),  # inputs of the depthwise convolution and of the two products, 1 + 1 + 4
        ({"kind": "resnet", "bottleneck": False}, 4),  # inputs of two convolutions and two norms
        # Four times the channels: inputs of three convolutions, 1 + 1/4 + 1/4, and norms, 1/4 + 1/4 + 1.
        ({"kind": "resnet", "bottleneck": True}, 4 * 3),
    ],
)
def test_bases_of_four_stages(kind, of_position):
    backbone = BackboneConfig.model_validate(STAGES | kind)
    sections = {
        "view": {"image_size": 64, "resize": 64},
        "schedule": {"batch_size": 12, "accumulation_steps": 4},
    }
    experiment = Experiment.model_validate({"name": "e", "finetune": sections})
    given = experiment.finetune
    config = FinetuneConfig.model_construct(view=given.view, schedule=given.schedule)
    found = least_need(config, backbone, 0)
    assert found.of_batch == 3 * 4 * of_position * NUMBERS
    assert found.held == 16 * backbone_weights(backbone)
