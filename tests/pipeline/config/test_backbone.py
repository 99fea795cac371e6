"""Kinds of bases: their numbers, and what follows from them."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config.backbone import BASES, BackboneConfig
from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from tests.pipeline.models.backbones.small_base import SMALL, base_config

PAGE = Path(__file__).resolve().parents[3] / "docs" / "bases.md"
EVERYTHING = {
    "patch_size": 2, "embed_dim": 16, "depth": 3, "depths": [1, 1, 2, 1], "num_heads": 2, "mlp_ratio": 2.0,
    "window_size": 4, "kernel_size": 5, "bottleneck": True,
}  # fmt: skip


@pytest.mark.parametrize("kind", BASES)
def test_a_kind_has_its_own_numbers_and_no_others(kind):
    config = BackboneConfig.model_validate({"kind": kind, "size": "custom", "image_size": 32} | EVERYTHING)
    own = {*BASES[kind].defaults, *BASES[kind].sizes[BASES[kind].default_size]}
    assert {name for name in EVERYTHING if getattr(config, name) is not None} == own
    assert BackboneConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(("kind", "size"), [(kind, size) for kind in BASES for size in BASES[kind].sizes])
def test_named_sizes_are_whole(kind, size):
    config = BackboneConfig(kind=kind, size=size)
    numbers = BASES[kind].defaults | BASES[kind].sizes[size]
    assert {name: getattr(config, name) for name in numbers} == numbers
    assert config.dim % config.map_heads == 0
    assert BackboneConfig.model_validate(config.model_dump(mode="json")) == config


def test_what_follows_from_the_numbers():
    swin = BackboneConfig(kind="swin")
    assert (swin.size, swin.dim, swin.stride, swin.grid, swin.num_blocks) == ("tiny", 768, 32, (7, 7), 12)
    assert (swin.map_heads, swin.num_feature_blocks) == (24, 2)
    resnet = BackboneConfig(kind="resnet", size=50)
    assert resnet.stage_dims == (256, 512, 1024, 2048)
    assert resnet.map_heads == 32
    assert BackboneConfig(kind="resnet", size="18").stage_dims == (64, 128, 256, 512)
    vit = BackboneConfig()
    assert (vit.kind, vit.size, vit.dim, vit.stride, vit.grid, vit.map_heads) == (
        "vit", "small", 384, 16, (14, 14), 6
    )  # fmt: skip
    assert vit.num_feature_blocks == vit.num_blocks == 12


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "mamba"}, r"unknown kind of base; choose from \['vit', "),
        (
            {"kind": "swin", "size": "base"},
            r"unknown size of swin; choose from \['tiny', 'small', 'custom'\]",
        ),
        ({"kind": "swin", "depths": [1, 1, 1, 1]}, 'needs size = "custom"'),
        ({"kind": "convnext", "size": "custom", "embed_dim": 8}, 'size = "custom" needs depths'),
        ({"kind": "convnext", "kernel_size": 6}, "kernel_size must be odd, got 6"),
        ({"kind": "swin", "window_size": 1}, "window_size must be 2 or more"),
        ({"kind": "resnet", "patch_size": 8}, "patch_size of resnet must be 1, 2 or 4, got 8"),
        ({"kind": "resnet", "image_size": 240}, "image_size 240 is not divisible by 8 x patch_size 32"),
        ({"kind": "resnet", "size": "custom", "depths": [1, 1, 1]}, "depths"),
    ],
)
def test_what_cannot_be_is_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        BackboneConfig.model_validate(values)


def test_more_feature_blocks_than_the_last_stage_has_are_refused_with_the_keys():
    words = "features.num_blocks and linear.num_blocks must be at most 2: .* last stage of this swin"
    with pytest.raises(ValidationError, match=words):
        Experiment.model_validate({"name": "my", "backbone": {"kind": "swin"}})
    fewer = {"features": {"num_blocks": 2}, "linear": {"num_blocks": 1}}
    assert Experiment.model_validate({"name": "my", "backbone": {"kind": "swin"}} | fewer)


def test_crops_go_by_the_stride_of_the_last_map():
    sections = {"backbone": {"kind": "resnet"}, "features": {"num_blocks": 1}, "linear": {"num_blocks": 1}}
    crops = {"crops": {"num_local": 2, "local_size": 80}}
    with pytest.raises(ValidationError, match=r"crops\.local_size 80 is not divisible by 32"):
        Experiment.model_validate({"name": "my"} | sections | crops)


def test_the_example_of_the_page_is_an_experiment(tmp_path):
    text = re.search(r"```toml\n(extends[^`]*kind = \"swin\"[^`]*)```", PAGE.read_text("utf-8")).group(1)
    (tmp_path / "my.toml").write_text(text)
    backbone = read_experiment(tmp_path / "my.toml").backbone
    assert (backbone.kind, backbone.grid, backbone.dim) == ("swin", (4, 4), 128)


@pytest.mark.parametrize("kind", SMALL)
def test_the_small_bases_of_the_tests_have_two_by_two_places(kind):
    assert base_config(kind).grid == (2, 2)


def test_batch_norm_is_of_foreign_resnets_alone():
    config = BackboneConfig(kind="resnet", size="18", norm="batch")
    assert config.norm == "batch"
    assert "norm" not in BackboneConfig(kind="resnet", size="18").model_dump(mode="json")
    with pytest.raises(ValueError, match='norm = "batch" is of a resnet, this is a vit'):
        BackboneConfig(norm="batch")
    with pytest.raises(ValueError, match="a base that is pretrained has group norm"):
        Experiment(name="e", backbone={"kind": "resnet", "norm": "batch"}, features={"num_blocks": 1})
