"""Operators whose sums go over images and positions."""

import numpy as np
import pytest

from pipeline.doctor.answers import references

# More than one block's share of numbers of a channel, more than 32 channels, and single numbers.
SHAPES = [(1, 1, 1, 1), (2, 5, 7, 3), (3, 40, 9, 11), (2, 2, 61, 47), (5, 3, 1, 1)]
EPS = 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_add_to_channels(kernels, check, rng, shape):
    arrays = [rng.normal(size=shape), rng.normal(size=shape[1])]
    check(kernels.add_to_channels, lambda x, bias: x + bias[:, None, None], arrays)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if np.prod(shape) > 1])
def test_batch_norm(kernels, check, rng, shape):
    arrays = [rng.normal(0.5, 1, shape), rng.normal(1, 0.3, shape[1]), rng.normal(0, 0.5, shape[1])]
    check(
        lambda *given: kernels.batch_norm(*given, EPS)[0],
        lambda *given: references.batch_norm(*given, EPS),
        arrays,
        tolerance=1e-5,
    )


def test_statistics_of_a_batch_norm(kernels, jt, rng):
    x = rng.normal(0.5, 1, (3, 4, 6, 5)).astype(np.float32)
    given = [jt.array(each) for each in (x, np.ones(4, np.float32), np.zeros(4, np.float32))]
    _, mean, variance = kernels.batch_norm(*given, EPS)
    np.testing.assert_allclose(mean.numpy(), x.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(variance.numpy(), x.var((0, 2, 3)), rtol=1e-5)


def test_shapes_that_do_not_fit(kernels, jt):
    with pytest.raises(ValueError, match=r"add_to_channels: x \(2, 3\), of channels"):
        kernels.add_to_channels(jt.zeros((2, 3)), jt.zeros((3,)))
    with pytest.raises(ValueError, match=r"batch_norm: x \(2, 3, 4, 4\), of channels \[\(3,\), \(4,\)\]"):
        kernels.batch_norm(jt.zeros((2, 3, 4, 4)), jt.zeros((3,)), jt.zeros((4,)), EPS)
