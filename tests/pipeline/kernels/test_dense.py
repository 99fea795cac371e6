import numpy as np
import pytest

from pipeline.doctor.answers.references import gelu, linear, mlp

SHAPES = [((1, 3), 2), ((7, 13), 17), ((2, 5, 31), 33), ((70, 64), 48), ((3, 200, 6), 9)]


def drawn(rng, shape, out_dim):
    return rng.normal(size=shape), rng.normal(size=(out_dim, shape[-1])), rng.normal(size=out_dim)


@pytest.mark.parametrize(("shape", "out_dim"), SHAPES)
def test_linear(kernels, check, rng, shape, out_dim):
    check(kernels.linear, linear, drawn(rng, shape, out_dim))


@pytest.mark.parametrize(("shape", "out_dim"), SHAPES)
def test_linear_without_bias(kernels, check, rng, shape, out_dim):
    check(lambda x, w: kernels.linear(x, w, None), lambda x, w: x @ w.T, drawn(rng, shape, out_dim)[:2])


@pytest.mark.parametrize(("shape", "out_dim"), SHAPES)
def test_linear_gelu(kernels, check, rng, shape, out_dim):
    check(kernels.linear_gelu, lambda *args: gelu(linear(*args)), drawn(rng, shape, out_dim))


@pytest.mark.parametrize(("shape", "hidden_dim"), SHAPES)
def test_mlp(kernels, check, rng, shape, hidden_dim):
    inputs = drawn(rng, shape, hidden_dim)
    second = rng.normal(size=(5, hidden_dim)), rng.normal(size=5)
    check(kernels.mlp, mlp, [*inputs, *second])


def test_gelu_is_exact_from_far_below_to_far_above_zero(kernels, jt):
    z = np.linspace(-12, 12, 4001).astype(np.float32)
    found = kernels.linear_gelu(jt.array(z[:, None]), jt.ones((1, 1)), jt.zeros(1)).numpy()[:, 0]
    assert np.abs(found - gelu(z.astype(np.float64))).max() < 1e-6


def test_an_input_without_gradient_leaves_the_parameters_theirs(kernels, jt):
    x, weight = jt.ones((3, 2)).stop_grad(), jt.ones((4, 2))
    bias = jt.zeros(4)
    weight_grad, bias_grad = jt.grad(kernels.linear(x, weight, bias).sum(), [weight, bias])
    assert np.array_equal(weight_grad.numpy(), np.full((4, 2), 3))
    assert np.array_equal(bias_grad.numpy(), np.full(4, 3))


def test_no_gradient_is_recorded_under_no_grad(kernels, jt):
    with jt.no_grad():
        y = kernels.linear_gelu(jt.ones((3, 2)), jt.ones((4, 2)), jt.zeros(4))
    assert y.is_stop_grad()


@pytest.mark.parametrize(
    ("x", "weight", "bias"), [((3, 2), (4, 3), (4,)), ((3, 2), (4, 2), (3,)), ((0, 2), (4, 2), (4,))]
)
def test_shapes_that_do_not_fit(kernels, jt, x, weight, bias):
    with pytest.raises(ValueError, match="linear: "):
        kernels.linear(jt.zeros(x), jt.zeros(weight), jt.zeros(bias))


@pytest.mark.parametrize(("contract", "bias"), [((4, 5), (4,)), ((4, 3), (3,))])
def test_an_mlp_whose_second_layer_does_not_fit(kernels, jt, contract, bias):
    with pytest.raises(ValueError, match="linear: "):
        kernels.mlp(jt.zeros((2, 2)), jt.zeros((3, 2)), jt.zeros(3), jt.zeros(contract), jt.zeros(bias))
