import numpy as np
import pytest


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (2, 196, 12), (1, 3001, 8), (5, 4, 130)])
def test_values_and_gradient(kernels, check, rng, shape):
    check(kernels.mean_positions, lambda x: x.mean(axis=1), [rng.normal(size=shape)])


def test_many_ones_have_the_mean_one(kernels, jt):
    assert np.abs(kernels.mean_positions(jt.ones((1, 100_000, 4))).numpy() - 1).max() < 1e-6


@pytest.mark.parametrize("shape", [(3, 4), (2, 0, 3)])
def test_shapes_that_do_not_fit(kernels, jt, shape):
    with pytest.raises(ValueError, match="mean_positions: x"):
        kernels.mean_positions(jt.zeros(shape))
