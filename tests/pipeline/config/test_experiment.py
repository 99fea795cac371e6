"""Sizes that must agree, named network sizes, and what the arms differ in."""

import pytest
from pydantic import ValidationError

from pipeline.config.backbone import BackboneConfig
from pipeline.config.experiment import Experiment
from pipeline.pretrain.methods.settings import ARMS


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"crops": {"global_size": 192}}, "backbone.image_size 224 must equal crops.global_size 192"),
        ({"crops": {"num_local": 2, "local_size": 90}}, "crops.local_size 90 is not divisible by"),
        ({"schedule": {"small_crops": {"size": 100}}}, "schedule.small_crops.size 100 is not divisible by"),
        ({"schedule": {"small_crops": {"size": 224}}}, "size 224 must be below crops.global_size"),
        (
            {"arms": ["mae"], "baseline": "mae", "schedule": {"small_crops": {"size": 112}}},
            "mae takes crops of one size",
        ),
        ({"features": {"crop_size": 100}}, "features.crop_size 100 is not divisible by 16"),
        ({"features": {"num_blocks": 13}}, "num_blocks exceeds the backbone's depth 12"),
        ({"features": {"num_blocks": 2}}, "linear.num_blocks 4 exceeds features.num_blocks 2"),
        ({"schedule": {"accumulation_steps": 3}}, "256 is not divisible by accumulation_steps 3"),
        ({"seeds": [1, 1]}, "no entry twice"),
        ({"arms": []}, "at least one entry"),
        ({"arms": ["ibot", "swav"]}, "there is no swav"),
        ({"arms": ["pixels", "hssl"], "baseline": "pixels"}, "'pixels' is a floor without a network"),
        ({"auxiliary_head": {"kernel_size": 4}}, "kernel_size must be odd, got 4"),
        ({"masks": {"ratios": [0.9], "ratio_variations": [0.2]}}, r"leaves \[0, 1\)"),
        ({"masks": {"ratios": [0.3]}}, "equally many"),
        ({"crops": {"global_scale": [0.5, 0.2]}}, r"global_scale must be \(low, high\)"),
        ({"schedule": {"base_lr": float("nan")}}, "finite number"),
        ({"name": "../elsewhere"}, "pattern"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(sections, words):
    with pytest.raises(ValidationError, match=words):
        Experiment.model_validate({"name": "my", **sections})


def test_the_local_size_does_not_matter_without_local_crops():
    assert Experiment.model_validate({"name": "my", "crops": {"local_size": 90}}).crops.num_local == 0


@pytest.mark.parametrize(
    ("size", "numbers"),
    [("tiny", (192, 12, 3)), ("small", (384, 12, 6)), ("base", (768, 12, 12)), ("large", (1024, 24, 16))],
)
def test_a_named_size_fills_in_its_numbers(size, numbers):
    config = BackboneConfig(size=size)
    assert (config.embed_dim, config.depth, config.num_heads) == numbers
    # A resolved configuration, as a job holds it, is valid again.
    assert BackboneConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": "small", "depth": 3}, 'depth = 3 needs size = "custom"; \'small\' has 12'),
        ({"size": "custom", "embed_dim": 96}, 'size = "custom" needs depth, num_heads'),
        ({"size": "custom", "embed_dim": 96, "depth": 3, "num_heads": 5}, "not divisible by num_heads 5"),
        ({"image_size": 225}, "image_size 225 is not divisible by patch_size 16"),
    ],
)  # fmt: skip
def test_a_backbone_that_cannot_be_built_is_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        BackboneConfig.model_validate(values)


def test_arms_differ_in_head_and_patch_loss_only():
    experiment = Experiment(name="my", seeds=(5,))
    arms = [arm for arm, method in ARMS.items() if method.pretrained and method.method == "ibot"]
    configs = {arm: experiment.pretrain_config(arm, 5).model_dump() for arm in arms}
    assert sorted(configs) == ["dino", "hssl", "hssl-dino", "ibot"]
    heads = {arm: config.pop("auxiliary_head") for arm, config in configs.items()}
    assert {arm for arm, head in heads.items() if head} == {"hssl", "hssl-dino"}
    patch_weights = {arm: config["objective"].pop("patch_weight") for arm, config in configs.items()}
    assert patch_weights == {"dino": 0, "hssl-dino": 0, "ibot": 1, "hssl": 1}
    for config in configs.values():
        assert config == configs["ibot"]
        assert config["seed"] == 5
