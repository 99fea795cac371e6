"""Loss terms and the gradient of every parameter, of every method but iBOT, against PyTorch in float64."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import (
    SMALL_METHODS,
    a_batch_of_method,
    config_of_method,
    relative_error,
    without_key_bias,
)

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")


def far_from_the_start(network, rng):
    """Larger weights than at the start of training, so that every gradient is far from zero."""
    from pipeline.models.weights import assign_arrays, named_arrays

    weights = {
        name: (value * 4 + 0.1 * rng.normal(size=value.shape)).astype(np.float32)
        for name, value in named_arrays(network).items()
    }
    assign_arrays(network, weights, "test")
    return {name: torch.tensor(value).double() for name, value in weights.items()}


@pytest.mark.parametrize("kernels", ["plain", "fused"])
@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("name", list(SMALL_METHODS))
def test_terms_and_every_gradient_equal_torch_float64(jt, name, head, kernels):
    from pipeline import kernels as choice
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.drop_path_masks import DropPathMasks
    from pipeline.pretrain.methods.method import method_of
    from pipeline.pretrain.step import initial_state
    from tests.oracles.torch_methods import losses

    choice.use(kernels)
    try:
        config, rng = config_of_method(name, head=head), np.random.default_rng(2)
        state, batch = initial_state(config), a_batch_of_method(config, rng)
        student = far_from_the_start(state.student, rng)
        teacher = far_from_the_start(state.teacher, rng) if state.teacher is not None else None
        method, rates = method_of(config), Schedule(config.schedule, config.objective, num_images=4).at(0)
        names, parameters = map(list, zip(*state.student.named_parameters(), strict=True))
        for _ in range(2):  # what runs a second time is compiled and cached
            outcome = method.forward(
                state.networks, state.method_state, batch, DropPathMasks(None, None), rates
            )
            found = [g.numpy() for g in jt.grad(outcome.losses.total, parameters)]
        for parameter in student.values():
            parameter.requires_grad_(True)
        wide = SimpleNamespace(
            global_crops=torch.tensor(batch.global_crops).double(), masks=torch.tensor(batch.masks)
        )
        expected = losses(student, teacher, config, wide)
        terms = {"total": outcome.losses.total, **outcome.losses.terms}
        assert terms.keys() == expected.keys()
        for term, value in expected.items():
            assert terms[term].item() == pytest.approx(value.item(), rel=1e-4), term
        gradients = torch.autograd.grad(expected["total"], [student[n] for n in names], allow_unused=True)
        for parameter, gradient, right in zip(names, found, gradients, strict=True):
            if right is None:
                assert method.frozen(parameter, state.student, rates), parameter
                assert (gradient == 0).all(), parameter
                continue
            right = without_key_bias(parameter, right.numpy())
            if np.abs(right).max() < 1e-12:
                # A shift that batch norm cancels: nothing but rounding noise, so it must not be stepped on.
                assert method.frozen(parameter, state.student, rates), parameter
                assert np.abs(gradient).max() < 1e-5, parameter
                continue
            assert relative_error(without_key_bias(parameter, gradient), right) < 1e-3, parameter
    finally:
        choice.use("fused")
