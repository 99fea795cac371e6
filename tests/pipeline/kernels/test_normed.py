"""Each against layer norm, linear layer and GELU of NumPy, one after the other."""

import numpy as np
import pytest

from pipeline.doctor.answers.references import layer_norm, linear, mlp

EPS = 1e-6
SHAPES = [((1, 3), 2), ((7, 13), 17), ((2, 5, 31), 33), ((70, 64), 48), ((3, 200, 6), 9)]


def drawn(rng, shape, *widths):
    """x, weight and bias of the norm, then of layers of these widths."""
    dim = shape[-1]
    arrays = [rng.normal(size=shape), 1 + 0.3 * rng.normal(size=dim), rng.normal(size=dim)]
    for width in widths:
        arrays += [rng.normal(size=(width, dim)) / dim**0.5, rng.normal(size=width)]
        dim = width
    return arrays


@pytest.mark.parametrize(("shape", "out_dim"), SHAPES)
def test_normed_linear(kernels, check, rng, shape, out_dim):
    check(
        lambda x, g, b, *layer: kernels.normed_linear(x, g, b, EPS, *layer),
        lambda x, g, b, *layer: linear(layer_norm(x, g, b, EPS), *layer),
        drawn(rng, shape, out_dim),
        tolerance=1e-5,  # a row of three values may lie close together: the norm enlarges rounding
    )


@pytest.mark.parametrize(("shape", "hidden_dim"), SHAPES)
def test_normed_mlp(kernels, check, rng, shape, hidden_dim):
    check(
        lambda x, g, b, *layers: kernels.normed_mlp(x, g, b, EPS, *layers),
        lambda x, g, b, *layers: mlp(layer_norm(x, g, b, EPS), *layers),
        drawn(rng, shape, hidden_dim, 5),
        tolerance=1e-5,
    )


def test_an_input_without_gradient_leaves_the_parameters_theirs(kernels, jt, rng):
    arrays = [jt.array(array.astype(np.float32)) for array in drawn(rng, (4, 6), 5, 3)]
    found = jt.grad(kernels.normed_mlp(arrays[0], *arrays[1:3], EPS, *arrays[3:]).sum(), arrays[1:])
    fixed = arrays[0].stop_grad()
    again = jt.grad(kernels.normed_mlp(fixed, *arrays[1:3], EPS, *arrays[3:]).sum(), arrays[1:])
    for first, second in zip(found, again, strict=True):
        assert np.array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize(("norm", "weight", "bias"), [(2, (4, 3), 4), (3, (4, 2), 4), (3, (4, 3), 3)])
def test_shapes_that_do_not_fit(kernels, jt, norm, weight, bias):
    x, gain, shift = jt.zeros((5, 3)), jt.ones(norm), jt.zeros(norm)
    with pytest.raises(ValueError, match=r"linear: |layer_norm: "):
        kernels.normed_linear(x, gain, shift, EPS, jt.zeros(weight), jt.zeros(bias))
