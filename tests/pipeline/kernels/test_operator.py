"""Every use of an input counts in its gradient, whatever the other uses are handed."""

import numpy as np
import pytest


@pytest.fixture
def drawn(rng):
    shapes = {"x": (8, 4), "weight": (4, 4), "token": (1, 4), "slopes": (9, 4)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_a_weight_keeps_its_gradient_on_later_passes_beside_a_token_never_read(jt, kernels, drawn):
    # Joining rows in place ties the first pass to the token; later passes walk through the first one too.
    x, weight, token, slopes = (jt.array(value) for value in drawn.values())
    expected = [
        drawn["slopes"][:8] @ drawn["weight"], drawn["slopes"][:8].T @ drawn["x"], drawn["slopes"][8:]
    ]  # fmt: skip
    for _ in range(3):
        rows = jt.concat([kernels.linear(x, weight, None), token], dim=0)
        gradients = jt.grad((rows * slopes).sum(), [x, weight, token])
        for gradient, value in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(gradient.numpy(), value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dead_first", [False, True])
def test_an_input_keeps_its_gradient_beside_a_use_that_gets_none(jt, kernels, drawn, dead_first):
    x, weight, _, slopes = (jt.array(value) for value in drawn.values())
    live = (kernels.linear(x, weight, None) * slopes[:8]).sum()
    likeliest, _ = jt.argmax(kernels.linear(x, weight, None), dim=1)
    dead = likeliest.float32().sum()
    x_gradient, weight_gradient = jt.grad(dead + live if dead_first else live + dead, [x, weight])
    slopes = drawn["slopes"][:8]
    np.testing.assert_allclose(x_gradient.numpy(), slopes @ drawn["weight"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weight_gradient.numpy(), slopes.T @ drawn["x"], rtol=1e-5, atol=1e-5)
