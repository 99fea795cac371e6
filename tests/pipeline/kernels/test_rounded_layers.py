"""Layers in one call whose products take bfloat16, against float64, within what rounding to 8 bits allows.

A factor of bfloat16 is off by up to 2^-9 = 0.002 of itself. Of five seeds: values to 0.007 of the largest,
slopes to 0.022 of the sum of their terms.
"""

import numpy as np
import pytest

from pipeline.doctor.answers import references
from tests.pipeline.kernels.test_normed import EPS
from tests.pipeline.kernels.test_normed import drawn as drawn_mlp
from tests.pipeline.kernels.test_precision import rounding  # noqa: F401
from tests.pipeline.kernels.test_transformer_block import drawn

TOLERANCE = 0.012  # of values; ten times as much of slopes
# images, tokens, width, heads, hidden: heads of an odd depth, tokens of an odd number and of more than one
# block of queries, threads with images of their own
SIZES = [(1, 1, 4, 1, 8), (2, 7, 15, 3, 20), (3, 18, 32, 2, 64), (2, 53, 64, 2, 32), (8, 140, 16, 2, 24)]


@pytest.fixture
def kernels(rounding):  # noqa: F811
    """pipeline.kernels, rounding factors to bfloat16."""
    return rounding


@pytest.mark.parametrize("size", SIZES)
def test_transformer_block(kernels, jt, check, rng, size):
    images, _, width, heads, _ = size
    scales = np.where(rng.random((2, images)) < 0.3, 0, 1.25)
    given = jt.array(scales.astype(np.float32))

    def run(x, *weights):
        return kernels.transformer_block(x, kernels.BlockWeights(*weights), heads, 1e-6, given)

    arrays = drawn(rng, *size)
    for index in (3, 5, 9, 11):  # weights as in a network, so that softmax is not decided by one score
        arrays[index] = arrays[index] * width**-0.5
    check(run, references.transformer_block(heads, scales), arrays, tolerance=TOLERANCE)


@pytest.mark.parametrize(("shape", "hidden_dim"), [((7, 13), 17), ((70, 64), 48), ((3, 400, 6), 9)])
def test_normed_mlp(kernels, check, rng, shape, hidden_dim):
    check(
        lambda x, g, b, *layers: kernels.normed_mlp(x, g, b, EPS, *layers),
        lambda x, g, b, *layers: references.mlp(references.layer_norm(x, g, b, EPS), *layers),
        drawn_mlp(rng, shape, hidden_dim, 5),
        tolerance=TOLERANCE,
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_same_where_no_gradient_is_asked(kernels, jt, rng, size):
    x, *weights = (jt.array(a.astype(np.float32)) for a in drawn(rng, *size))
    block = kernels.BlockWeights(*weights)
    expected = kernels.transformer_block(x, block, size[3], 1e-6).numpy()
    with jt.no_grad():
        found = kernels.transformer_block(x, block, size[3], 1e-6).numpy()
    assert np.array_equal(found, expected)


def test_a_block_queued_before_the_precision_changes_is_computed_in_its_own(kernels, jt, rng):
    size = SIZES[2]
    x, *weights = (jt.array(a.astype(np.float32)) for a in drawn(rng, *size))

    def queued():
        y = kernels.transformer_block(x, kernels.BlockWeights(*weights), size[3], 1e-6)
        return [y, *jt.grad((y * y).sum(), [x, *weights])]

    expected = [value.numpy() for value in queued()]
    late = queued()
    kernels.use_precision("float32")
    exact = [value.numpy() for value in queued()]
    for found, rounded, other in zip(late, expected, exact, strict=True):
        assert np.array_equal(found.numpy(), rounded)
        assert not np.array_equal(rounded, other)
