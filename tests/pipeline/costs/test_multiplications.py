"""Multiplications against PyTorch's counter, on the oracles of bases and heads; of both passes of a base."""

import pytest

from pipeline.config.backbone import BASES, BackboneConfig
from pipeline.config.models import AUXILIARY_HEADS, AuxiliaryHeadConfig
from pipeline.costs.multiplications import (
    _BACKBONES,
    backbone_multiplications,
    embedding_multiplications,
    head_multiplications,
)
from tests.pipeline.costs.torch_counter import counted
from tests.pipeline.models.auxiliary_heads.small_head import DIM, GRID, NUM_HEADS, build, head_config
from tests.pipeline.models.backbones import small_base

# As the backbone that a small head stands on.
BASE = BackboneConfig(size="custom", image_size=16, patch_size=4, embed_dim=DIM, depth=1, num_heads=NUM_HEADS)


def tensors(network):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from pipeline.models.weights import named_arrays

    return {name: torch.tensor(a).double() for name, a in named_arrays(network).items()}


def test_every_base_has_a_price():
    assert set(_BACKBONES) == set(BASES)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("swin", {"window_size": 16}),  # as large as every map: the oracle has no windows
        ("convnext", {}),
        ("resnet", {}),
        ("resnet", {"bottleneck": True, "patch_size": 4}),
        ("resnet", {"bottleneck": True, "patch_size": 1, "image_size": 16}),
    ],
)
def test_bases_as_counted(jt, rng, kind, changes):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.oracles import torch_bases

    config = small_base.base_config(kind, **changes)
    p, size = tensors(small_base.build(config)), config.image_size
    images = torch.tensor(rng.normal(size=(1, 3, size, size)))
    forward = backbone_multiplications(config, size)
    assert 2 * forward == counted(lambda: torch_bases.base(p, config, images))
    for weight in p.values():
        weight.requires_grad_(True)

    def both_passes():
        _, vector, patches = torch_bases.base(p, config, images)
        (vector.sum() + patches.sum()).backward()

    # Twice the forward pass, but for the images' gradient.
    backward = 2 * forward - embedding_multiplications(config, size)
    assert 2 * (forward + backward) == counted(both_passes)


def test_vit_as_counted():
    """Matrices of a ViT by hand: 3 blocks, 5 tokens of 24 channels, 4 patches of 768 pixels."""
    config = small_base.base_config("vit")
    blocks = 3 * (5 * (4 + 8) * 24 * 24 + 2 * 5 * 5 * 24)
    assert backbone_multiplications(config, 32) == 4 * 768 * 24 + blocks


@pytest.mark.parametrize("kind", AUXILIARY_HEADS)
def test_heads_as_counted(jt, rng, kind):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    from tests.oracles import torch_heads

    config = head_config(kind, window_size=4)
    p = tensors(build(kind, window_size=4))
    x = torch.tensor(rng.normal(size=(1, DIM, *GRID)))
    expected = counted(lambda: torch_heads.head(p, config, x, grid=GRID, num_heads=NUM_HEADS))
    assert 2 * head_multiplications(config, BASE, 16) == expected


def test_heads_of_one_depth_differ_many_times():
    base = BackboneConfig()
    costs = {
        kind: head_multiplications(AuxiliaryHeadConfig(kind=kind), base, 224) for kind in AUXILIARY_HEADS
    }
    assert max(costs.values()) > 8 * min(costs.values())


def test_published_sizes():
    """ResNet-50 4.1, Swin-T 4.5, ConvNeXt-T 4.5, ViT-B/16 17.5 thousand millions, as their papers state."""
    for kind, size, billions in (
        ("resnet", "50", 4.1), ("swin", "tiny", 4.5), ("convnext", "tiny", 4.5), ("vit", "base", 17.5),
        ("resnet", "18", 1.8), ("swin", "small", 8.7),
    ):  # fmt: skip
        config = BackboneConfig(kind=kind, size=size)
        assert backbone_multiplications(config, 224) / 1e9 == pytest.approx(billions, abs=0.1), kind
