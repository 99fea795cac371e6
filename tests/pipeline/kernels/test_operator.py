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


def test_an_input_keeps_its_gradient_beside_uses_that_give_none(jt, drawn):
    from pipeline.kernels.operator import Operator

    class Blind(Operator):
        def execute(self, x):
            return x * 2

        def grad(self, out_grad):
            return None

    x, slopes = jt.array(drawn["x"]), jt.array(drawn["slopes"][:8])
    total = Blind()(x).sum() + (x * slopes).sum() + Blind()(x).sum()
    (gradient,) = jt.grad(total, [x])
    np.testing.assert_allclose(gradient.numpy(), drawn["slopes"][:8], rtol=1e-6)
