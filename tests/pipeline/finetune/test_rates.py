import pytest

from pipeline.config.dense import FinetuneSchedule
from pipeline.finetune.rates import decayed, layer_of, layer_scales, learning_rate


def test_poly_warms_up_and_falls_to_zero():
    schedule = FinetuneSchedule(num_steps=1000, lr=0.1, warmup_steps=100)
    assert learning_rate(schedule, 0, frozen=False) == pytest.approx(1e-7)
    # Half of the warm-up: half of the peak, and a twentieth of the decay is over.
    assert learning_rate(schedule, 50, frozen=False) == pytest.approx(0.1 * 0.95 * 0.5, rel=1e-5)
    assert learning_rate(schedule, 500, frozen=False) == pytest.approx(0.05)
    assert learning_rate(schedule, 999, frozen=False) == pytest.approx(1e-4)


def test_steps_fall_to_a_tenth_each():
    schedule = FinetuneSchedule(num_steps=12, lr=1.0, warmup_steps=0, decay="step")
    rates = [learning_rate(schedule, step, frozen=False) for step in range(12)]
    assert rates == pytest.approx([1.0] * 8 + [0.1] * 3 + [0.01])


def test_cosine_warms_up_from_zero_and_ends_near_the_lowest_rate():
    schedule = FinetuneSchedule(num_steps=100, lr=2e-3, min_lr=1e-6, warmup_steps=20, decay="cosine")
    rates = [learning_rate(schedule, step, frozen=False) for step in range(100)]
    assert rates[:21:5] == pytest.approx([0, 5e-4, 1e-3, 1.5e-3, 2e-3])
    # Half of the cosine is over half-way between warm-up and end.
    assert rates[60] == pytest.approx((2e-3 + 1e-6) / 2)
    assert 1e-6 < rates[99] < 3e-6
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_cosine_may_be_all_warm_up_or_have_none():
    warm = FinetuneSchedule(num_steps=2, lr=1.0, warmup_steps=2, decay="cosine")
    assert [learning_rate(warm, step, frozen=False) for step in range(2)] == [0, 0.5]
    cold = FinetuneSchedule(num_steps=2, lr=1.0, warmup_steps=0, decay="cosine")
    assert [learning_rate(cold, step, frozen=False) for step in range(2)] == pytest.approx([1, 0.5])


def test_a_frozen_backbone_may_have_its_own_rate():
    schedule = FinetuneSchedule(num_steps=10, lr=1.0, frozen_lr=3.0, warmup_steps=0)
    assert learning_rate(schedule, 0, frozen=True) == 3.0
    assert learning_rate(schedule, 0, frozen=False) == 1.0


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("backbone.network.pos_embed", 0),
        ("backbone.network.cls_token", 0),
        ("backbone.network.patch_embed.weight", 0),
        ("backbone.network.blocks.0.mlp.expand.weight", 1),
        ("backbone.network.blocks.11.norm_mlp.bias", 12),
        ("backbone.network.norm.weight", 13),
        ("head.predict_classes.weight", 13),
        ("pyramid.blocks.0.weight", 13),
    ],
)
def test_t6_layers(name, layer):
    """T6: embeddings are layer 0, block i is i + 1, all the rest comes last."""
    assert layer_of(name, depth=12) == layer


def test_t6_factors_equal_the_formula():
    """T6: decay ^ (depth + 1 - layer)."""
    names = ["backbone.network.pos_embed", "backbone.network.blocks.2.attention.qkv.weight", "head.weight"]
    scales = layer_scales(names, depth=3, decay=0.5)
    assert list(scales.values()) == [0.5**4, 0.5**1, 1.0]


@pytest.mark.parametrize(
    ("name", "shape", "dense", "mae"),
    [
        ("backbone.network.pos_embed", (17, 8), True, False),
        ("backbone.network.cls_token", (1, 8), True, False),
        ("backbone.network.patch_embed.weight", (8, 48), True, True),
        ("backbone.network.patch_embed.bias", (8,), False, False),
        ("backbone.network.blocks.0.norm_mlp.weight", (8,), False, False),
        ("predict_classes.weight", (3, 8), True, True),
    ],
)
def test_what_decays(name, shape, dense, mae):
    assert (decayed(name, shape, embeddings=True), decayed(name, shape, embeddings=False)) == (dense, mae)
