from importlib import import_module

import numpy as np
import pytest

from pipeline.doctor.answers import references


def oracle(stride):
    def convolved(x, weight, *bias):
        y = references.convolution(x.transpose(0, 3, 1, 2), weight, stride).transpose(0, 2, 3, 1)
        return y + bias[0] if bias else y

    return convolved


def arrays_of(rng, shape, out, side, *, biased):
    arrays = [rng.normal(0.3, 1, shape), rng.normal(0, 0.3, (out, shape[3], side, side))]
    return [*arrays, rng.normal(0, 0.5, out)] if biased else arrays


# Shape of the maps, output channels, side of the filters, stride.
CASES = [
    ((2, 5, 7, 8), 4, 3, 1),
    ((3, 6, 4, 9), 5, 3, 1),
    ((1, 1, 1, 8), 3, 3, 1),
    ((2, 8, 8, 12), 3, 5, 1),
    ((2, 7, 6, 8), 4, 3, 2),
    ((2, 6, 7, 10), 4, 7, 2),
    ((3, 5, 8, 8), 5, 1, 2),
    ((2, 9, 7, 8), 3, 3, 3),
    ((2, 6, 5, 8), 6, 1, 1),
    ((2, 6, 5, 3), 4, 3, 1),  # too few channels for a device's kernel
]


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(("shape", "out", "side", "stride"), CASES)
def test_values_and_slopes(kernels, check, rng, shape, out, side, stride, biased):
    def operator(x, weight, bias=None):
        return kernels.convolution(x, weight, bias, stride=stride)

    check(operator, oracle(stride), arrays_of(rng, shape, out, side, biased=biased), tolerance=1e-5)


def test_channels_first(kernels, check, rng):
    x, *layer = arrays_of(rng, (2, 5, 7, 8), 4, 3, biased=True)

    def expected(x, *layer):
        return oracle(2)(x.transpose(0, 2, 3, 1), *layer).transpose(0, 3, 1, 2)

    def operator(*given):
        return kernels.convolution(*given, stride=2, channels_first=True)

    check(operator, expected, [x.transpose(0, 3, 1, 2), *layer], tolerance=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_images_in_several_parts(kernels, check, rng, monkeypatch, stride):
    module = import_module("pipeline.kernels.convolution")
    monkeypatch.setattr(module, "_MOST_NUMBERS", 2 * 6 * 7 * 8)  # two of five images at a time
    arrays = arrays_of(rng, (5, 5, 6, 8), 4, 3, biased=True)
    check(lambda *given: kernels.convolution(*given, stride=stride), oracle(stride), arrays, tolerance=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_gradient_of_the_layer_alone(kernels, jt, rng, stride):
    x, *layer = (jt.array(a.astype(np.float32)) for a in arrays_of(rng, (2, 4, 6, 8), 3, 3, biased=True))

    def gradients(given):
        y = kernels.convolution(given, *layer, stride=stride)
        return [gradient.numpy() for gradient in jt.grad((y * y).sum(), layer)]

    for found, expected in zip(gradients(jt.array(x.numpy()).stop_grad()), gradients(x), strict=True):
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_in_bfloat16(jt, kernels, rng, monkeypatch):
    """Factors are rounded, in both passes; sums are not."""
    from pipeline.kernels import precision

    if not kernels.on_device():
        pytest.skip("for a device")
    monkeypatch.setattr(precision, "architecture", lambda: (9, 0))
    arrays = [each.astype(np.float32) for each in arrays_of(rng, (2, 6, 5, 8), 4, 3, biased=True)]
    slopes = rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    kernels.use_precision("bfloat16")
    try:
        given = [jt.array(each) for each in arrays]
        y = kernels.convolution(*given, stride=2)
        found = [y.numpy(), *(each.numpy() for each in jt.grad((y * jt.array(slopes)).sum(), given))]
    finally:
        kernels.use_precision("float32")
    x, weight, bias = arrays
    assert_rounded(found[0], oracle(2)(rounded(x), rounded(weight), bias))
    # The gradient of the filters is linear in them: that of one filter is the sum over what it reads.
    wide = np.pad(rounded(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros_like(weight, np.float64)
    for i in range(3):
        for j in range(3):
            seen = wide[:, i : i + 6 : 2, j : j + 5 : 2][:, :3, :3]
            expected[:, :, i, j] = np.einsum("bhwo,bhwc->oc", rounded(slopes), seen)
    assert_rounded(found[2], expected)
    np.testing.assert_allclose(found[3], slopes.sum((0, 1, 2)), rtol=1e-5)


def rounded(array):
    """To the nearest bfloat16, as float64."""
    bits = array.astype(np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def assert_rounded(found, expected):
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("x", "weight", "bias"),
    [
        ((2, 4, 4, 8), (3, 9, 3, 3), None),
        ((2, 4, 4, 8), (3, 8, 2, 2), None),
        ((2, 4, 4, 8), (3, 8, 3, 1), None),
        ((2, 4, 4, 8), (3, 8, 3, 3), (4,)),
        ((2, 4, 8), (3, 8, 3, 3), None),
    ],
)
def test_what_does_not_fit(kernels, jt, x, weight, bias):
    with pytest.raises(ValueError, match=r"convolution: \(2, 4"):
        kernels.convolution(jt.ones(x), jt.ones(weight), None if bias is None else jt.ones(bias))
