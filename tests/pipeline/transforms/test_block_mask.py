import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.data import MaskConfig
from pipeline.transforms.block_mask import _rectangle, block_masks

# Jittor's operators are compiled with -Ofast: once one is loaded, the processor takes subnormals for zero.
RATIOS = st.floats(0.0, 0.9, allow_subnormal=False)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), RATIOS, st.sampled_from(["block", "random"]))
def test_never_more_hidden_than_asked(h, w, ratio, shape):
    config = MaskConfig(ratios=(ratio,), ratio_variations=(0.0,), shape=shape)
    masks = block_masks(np.random.default_rng(0), 20, (h, w), config)
    assert masks.shape == (20, h, w)
    assert masks.dtype == bool
    assert masks.sum(axis=(1, 2)).max() <= ratio * h * w + 1e-9


def test_half_of_the_crops_have_no_mask_and_ratios_spread_evenly(rng):
    shares = block_masks(rng, 4000, (14, 14), MaskConfig()).mean(axis=(1, 2))
    assert (shares == 0).mean() == pytest.approx(0.5, abs=0.03)
    masked = shares[shares > 0]
    assert masked.max() <= 0.5
    # U(0.1, 0.5) rounded down to whole patches; few masks give up early.
    assert masked.mean() == pytest.approx(0.3, abs=0.02)
    assert np.quantile(masked, [0.1, 0.9]) == pytest.approx([0.14, 0.46], abs=0.025)


def test_single_blocks_keep_the_aspect(rng):
    # Masks that are one full rectangle: their sides are those of the block that was drawn.
    config = MaskConfig(ratios=(0.3,), ratio_variations=(0.0,), min_aspect=0.5)
    aspects = []
    for mask in block_masks(rng, 1500, (24, 24), config):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        if mask.sum() == height * width:
            aspects.append(height / width)
    assert len(aspects) > 20
    # Sides are rounded to whole patches, at least 8 x 8 in area.
    assert 0.42 <= min(aspects) <= max(aspects) <= 1 / 0.42


def test_rectangle_is_a_block_in_the_corner():
    bits = _rectangle(2, 3, 5)
    assert [[bits >> (y * 5 + x) & 1 for x in range(5)] for y in range(3)] == [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_random_masks_hide_exactly_the_count(rng):
    config = MaskConfig(ratios=(0.4,), ratio_variations=(0.0,), shape="random")
    masks = block_masks(rng, 2000, (5, 8), config)
    assert (masks.sum(axis=(1, 2)) == 16).all()
    assert masks.mean(axis=0) == pytest.approx(np.full((5, 8), 0.4), abs=0.06)


def test_same_state_same_masks():
    first, second = (block_masks(np.random.default_rng(2), 16, (14, 14), MaskConfig()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.any()
