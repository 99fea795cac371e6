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


@pytest.mark.parametrize("shifted", [True, False])
@pytest.mark.parametrize("shape", [(7, 33), *SHAPES])
def test_scale_channels(kernels, check, rng, shape, shifted):
    first = len(shape) == 4
    channels = shape[1]
    arrays = [rng.normal(size=each) for each in (shape, *[channels] * (1 + shifted))]

    def expected(x, *given):
        scale, *shift = (each[:, None, None] for each in given) if first else given
        return x * scale + shift[0] if shift else x * scale

    check(lambda *given: kernels.scale_channels(*given, channels_first=first), expected, arrays)


@pytest.mark.parametrize("shape", [(7, 5, 33), *SHAPES])
def test_with_token(kernels, jt, check, rng, shape):
    first = len(shape) == 4
    channels = 1 if first else -1
    hidden = rng.random(np.delete(shape, channels)) < 0.6
    hidden = np.expand_dims(hidden, channels)

    def expected(x, token):
        return np.where(hidden, token[:, None, None] if first else token, x)

    def operator(x, token):
        return kernels.with_token(x, jt.array(hidden), token, channels_first=first)

    check(operator, expected, [rng.normal(size=shape), rng.normal(size=shape[channels])])


@pytest.mark.parametrize("shape", [(1,), (7, 33), *SHAPES])
def test_sum_of_all(kernels, check, rng, shape):
    check(kernels.sum_of_all, lambda x: np.array([x.sum()]), [rng.normal(0.3, 1, shape)])


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if np.prod(shape) > 1])
def test_batch_norm(kernels, check, rng, shape):
    arrays = [rng.normal(0.5, 1, shape), rng.normal(1, 0.3, shape[1]), rng.normal(0, 0.5, shape[1])]
    check(
        lambda *given: kernels.batch_norm(*given, EPS)[0],
        lambda *given: references.batch_norm(*given, EPS),
        arrays,
        tolerance=1e-5,
    )


def test_batch_norm_of_a_shared_batch(kernels, check, rng):
    """Two processes that hold the same: each has half of the batch, and gets half of its gradients."""
    sharing = kernels.Sharing(lambda own: own * 2.0, 2 * 3 * 9 * 11)

    def of_both(x, scale, shift):
        return references.batch_norm(np.concatenate([x, x]), scale, shift, EPS)[: len(x)]

    arrays = [rng.normal(0.5, 1, (3, 40, 9, 11)), rng.normal(1, 0.3, 40), rng.normal(0, 0.5, 40)]
    check(lambda *given: kernels.batch_norm(*given, EPS, sharing)[0], of_both, arrays, tolerance=1e-5)


def test_statistics_of_a_shared_batch_are_those_of_the_whole(kernels, jt, rng):
    """The other process holds two images of three; what it adds is told to this one."""
    whole = rng.normal(0.5, 1, (3, 4, 6, 5)).astype(np.float32)
    own, other = whole[:1], whole[1:]
    mean = whole.astype(np.float64).mean((0, 2, 3))
    squares = (other.astype(np.float64) ** 2).sum((0, 2, 3))
    centred = ((other - mean[:, None, None]) ** 2).sum((0, 2, 3))
    of_other = iter([other.sum((0, 2, 3)), centred])
    if not kernels.on_device():
        of_other = iter([np.stack([other.sum((0, 2, 3)), squares]) / (3 * 6 * 5)])
    sharing = kernels.Sharing(lambda value: value + jt.array(next(of_other).astype(np.float32)), 3 * 6 * 5)
    given = [jt.array(each) for each in (own, np.ones(4, np.float32), np.zeros(4, np.float32))]
    y, found_mean, variance = kernels.batch_norm(*given, EPS, sharing)
    np.testing.assert_allclose(found_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(variance.numpy(), whole.var((0, 2, 3)), rtol=1e-5)
    expected = (own - mean[:, None, None]) / np.sqrt(whole.var((0, 2, 3)) + EPS)[:, None, None]
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)


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
