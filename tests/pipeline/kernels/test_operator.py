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


@pytest.fixture
def squared(jt):
    """An operator that saves what its gradient reads, and all that were made."""
    from pipeline.kernels.operator import Operator

    made = []

    class Squared(Operator):
        def execute(self, x):
            self.saved = 2 * x
            made.append(self)
            return x * x

        def grad(self, out_grad):
            return self.saved * out_grad

    return Squared, made


@pytest.mark.parametrize("computed_before", [False, True])
def test_what_gradients_read_is_let_go_once_they_are_queued(jt, drawn, squared, computed_before):
    from pipeline.kernels.operator import gradients_of

    operator, made = squared
    x = jt.array(drawn["x"])
    total = operator()(operator()(x)).sum()
    if computed_before:
        total.sync()
    assert all(each.saved is not None for each in made)
    (gradient,) = gradients_of(total, [x])
    assert [each.saved for each in made] == [None, None]
    np.testing.assert_allclose(gradient.numpy(), 4 * drawn["x"] ** 3, rtol=1e-5, atol=1e-6)


def test_activations_are_freed_as_soon_as_their_gradient_is_computed(jt, squared):
    """The memory of a chain of operators at its peak, by Jittor's own count, whose largest value is kept."""
    from pipeline.kernels.operator import gradients_of

    operator, _ = squared
    weights = [jt.ones((1 << 18,)) for _ in range(16)]
    peaks = []
    for gradients in (gradients_of, jt.grad):
        x = jt.ones((1 << 18,))
        for weight in weights:
            x = operator()(x * weight)
        found = gradients(x.sum(), weights)
        after = jt.concat([found[0]] * 32)  # the largest tensor, which needs no activation
        x = None
        with jt.flag_scope(profile_memory_enable=1):
            jt.sync_all()
        assert after.numel() == 32 << 18
        with jt.flag_scope(profile_memory_enable=1):
            peaks.append(int(jt.get_max_memory_info().split("[")[0]))
        assert [gradient.numpy()[0] for gradient in found] == [2.0 ** (16 - i) for i in range(16)]
    let_go, kept = peaks
    assert let_go < 0.9 * kept


def test_gradients_asked_for_with_jittors_own_function_can_be_asked_for_again(jt, drawn, squared):
    operator, made = squared
    x = jt.array(drawn["x"])
    total = operator()(x).sum()
    for _ in range(2):
        gradient = jt.grad(total, x, retain_graph=True)
        assert made[0].saved is not None
        np.testing.assert_allclose(gradient.numpy(), 2 * drawn["x"], rtol=1e-5, atol=1e-6)
