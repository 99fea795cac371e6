"""Against layer norm, MLP and mean of NumPy, one after the other."""

import numpy as np
import pytest

from pipeline.doctor.answers.references import layer_norm, mlp

EPS = 1e-6
# images, positions, width, hidden, out. The last: threads with images of their own, some of them at a time.
SIZES = [
    (1, 1, 3, 2, 2),
    (2, 7, 13, 17, 5),
    (5, 16, 32, 48, 33),
    pytest.param((9, 140, 8, 20, 6), marks=pytest.mark.slow),
]


def drawn(rng, images, positions, width, hidden, out):
    """x, weight and bias of the norm, then of both layers."""
    layers = [(hidden, width), (hidden,), (out, hidden), (out,)]
    shapes = [(images, positions, width), (width,), (width,), *layers]
    arrays = [rng.normal(size=shape) / (shape[1] ** 0.5 if len(shape) == 2 else 1) for shape in shapes]
    arrays[1] = 1 + 0.3 * arrays[1]
    return arrays


def oracle(x, weight, bias, *layers):
    return mlp(layer_norm(x, weight, bias, EPS), *layers).mean(axis=1)


@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients(kernels, check, rng, size):
    check(
        lambda x, g, b, *layers: kernels.normed_mlp_mean(x, g, b, EPS, *layers),
        oracle,
        drawn(rng, *size),
        tolerance=1e-5,  # a row of three values may lie close together: the norm enlarges rounding
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_same_where_no_gradient_is_asked(kernels, jt, rng, size):
    x, weight, bias, *layers = (jt.array(a.astype(np.float32)) for a in drawn(rng, *size))
    expected = kernels.normed_mlp_mean(x, weight, bias, EPS, *layers).numpy()
    with jt.no_grad():
        found = kernels.normed_mlp_mean(x, weight, bias, EPS, *layers).numpy()
    assert np.array_equal(found, expected)


def test_the_mean_of_many_positions_does_not_drift(kernels, jt, rng):
    arrays = drawn(rng, 1, 1, 4, 8, 3)
    arrays[0] = np.repeat(arrays[0], 50_000, axis=1)
    found = kernels.normed_mlp_mean(*given(jt, arrays)).numpy()
    # Jittor's own mean, where the kernel is not there, adds one position after the other.
    tolerance = 1e-3 if kernels.current() == "plain" else 2e-5
    np.testing.assert_allclose(found, oracle(*arrays), rtol=tolerance, atol=tolerance)


def given(jt, arrays):
    x, weight, bias, *layers = (jt.array(a.astype(np.float32)) for a in arrays)
    return x, weight, bias, EPS, *layers


@pytest.mark.parametrize(
    ("x", "norm", "expand", "message"),
    [
        ((5, 3), 3, (4, 3), r"normed_mlp_mean: x \(5, 3\)"),
        ((2, 5, 3), 2, (4, 3), "layer_norm: "),
        ((2, 5, 3), 3, (4, 2), "linear: "),
    ],
)
def test_shapes_that_do_not_fit(kernels, jt, x, norm, expand, message):
    layers = jt.zeros(expand), jt.zeros(expand[0]), jt.zeros((2, expand[0])), jt.zeros(2)
    with pytest.raises(ValueError, match=message):
        kernels.normed_mlp_mean(jt.zeros(x), jt.ones(norm), jt.zeros(norm), EPS, *layers)
