"""Three whole optimiser steps of the project against PyTorch in float64."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import a_batch, relative_error, small_config, without_key_bias

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")


@dataclass
class TorchBatch:
    global_crops: Any
    local_crops: Any
    masks: Any


def to_torch(batch) -> TorchBatch:
    return TorchBatch(
        torch.tensor(batch.global_crops).double(),
        torch.tensor(batch.local_crops).double(),
        torch.tensor(batch.masks),
    )


def torch_paths(config, batch, step):
    from pipeline.pretrain.drop_path_masks import draw_drop_path

    drawn = draw_drop_path(config, batch, step)
    depth = config.auxiliary_head.depth if config.auxiliary_head else 0
    drop_path = {}
    for views in ("global", "local"):
        auxiliary = torch.tensor(drawn[f"{views} auxiliary"]).double()
        # An empty tensor stands where there is no head, indexed by view and never read.
        drop_path[views] = {
            "base": torch.tensor(drawn[f"{views} base"]).double(),
            "auxiliary": auxiliary[:, 0]
            if depth
            else torch.zeros(0, batch.masks.shape[0] + len(batch.local_crops)),
        }
    return drop_path


def torch_run(config, student, teacher, batches, rates):
    """The same steps in float64; yields (terms, gradients) of each and leaves the parameters updated."""
    from pipeline.optim.param_groups import decays
    from tests.oracles.torch_hssl import losses

    centers = {"cls": torch.zeros(config.projection_head.num_prototypes).double(), "patch": 0.0}
    for parameter in student.values():
        parameter.requires_grad_(True)
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in student.items()}
    for step, (batch, rate) in enumerate(zip(batches, rates, strict=True)):
        terms, means = losses(
            student,
            teacher,
            config,
            to_torch(batch),
            centers,
            (rate.teacher_temperature, rate.patch_temperature),
            torch_paths(config, batch, step),
        )
        gradients = torch.autograd.grad(terms["total"], list(student.values()), allow_unused=True)
        gradients = {
            name: torch.zeros_like(student[name]) if g is None else g
            for name, g in zip(student, gradients, strict=True)
        }
        with torch.no_grad():
            for name, parameter in student.items():
                g = gradients[name]
                limit = config.schedule.max_gradient_norm
                g = g * min(1.0, limit / (float(g.norm()) + 1e-6))
                if decays(name, parameter.shape):
                    parameter.mul_(1 - rate.lr * rate.weight_decay)
                m, v = moments[name]
                m.mul_(0.9).add_(0.1 * g)
                v.mul_(0.999).add_(0.001 * g * g)
                corrected = v / (1 - 0.999 ** (step + 1))
                parameter.sub_(rate.lr * (m / (1 - 0.9 ** (step + 1))) / (corrected.sqrt() + 1e-8))
            for name, parameter in teacher.items():
                parameter.mul_(rate.ema_momentum).add_((1 - rate.ema_momentum) * student[name])
        centers = {
            "cls": 0.9 * centers["cls"] + 0.1 * means["cls"],
            "patch": 0.9 * centers["patch"] + 0.1 * means["patch"],
        }
        yield {name: float(value.detach()) for name, value in terms.items()}, gradients, centers


@pytest.mark.parametrize("kernels", ["plain", "fused"])
@pytest.mark.parametrize("arm", ["hssl", "ibot"])
def test_three_steps_equal_torch_float64(jt, arm, kernels):
    from pipeline import kernels as kernel_choice
    from pipeline.models.weights import assign_arrays, named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step

    kernel_choice.use(kernels)
    try:
        config = small_config() if arm == "hssl" else small_config(auxiliary_head=None)
        rng = np.random.default_rng(0)
        state = initial_state(config)
        # Larger weights than at the start of training, so that every gradient is far from zero.
        weights = {
            name: (value * 4 + 0.1 * rng.normal(size=value.shape)).astype(np.float32)
            for name, value in named_arrays(state.student).items()
        }
        other = {
            name: (value + 0.05 * rng.normal(size=value.shape)).astype(np.float32)
            for name, value in weights.items()
        }
        assign_arrays(state.student, weights, "test")
        assign_arrays(state.teacher, other, "test")
        student = {name: torch.tensor(value).double() for name, value in weights.items()}
        teacher = {name: torch.tensor(value).double() for name, value in other.items()}
        schedule = Schedule(config.schedule, config.objective, num_images=4)
        batches = [a_batch(config, rng) for _ in range(3)]
        rates = [schedule.at(step) for step in range(3)]
        expected = torch_run(config, student, teacher, batches, rates)
        for batch, rate, (terms, _, centers) in zip(batches, rates, expected, strict=True):
            state, outcome = train_step(state, batch, rate, config)
            found = {"total": outcome.losses.total, **outcome.losses.terms}
            assert found.keys() == terms.keys()
            for name, value in terms.items():
                assert found[name].item() == pytest.approx(value, rel=1e-4), name
            assert relative_error(state.method_state["cls"].numpy(), centers["cls"]) < 1e-4
            assert relative_error(state.method_state["patch"].numpy(), centers["patch"]) < 1e-4
        for network, oracle in ((state.student, student), (state.teacher, teacher)):
            for name, value in named_arrays(network).items():
                expected = without_key_bias(name, oracle[name].detach().numpy())
                assert relative_error(without_key_bias(name, value), expected) < 1e-4, name
    finally:
        kernel_choice.use("fused")


def test_every_gradient_equals_torch_float64(jt):
    from pipeline.models.weights import assign_arrays, named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.centers import Centers
    from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
    from pipeline.pretrain.hssl_loss import hssl_losses, teacher_targets
    from pipeline.pretrain.step import initial_state

    config = small_config()
    rng = np.random.default_rng(1)
    state = initial_state(config)
    weights = {
        name: (value * 4 + 0.1 * rng.normal(size=value.shape)).astype(np.float32)
        for name, value in named_arrays(state.student).items()
    }
    assign_arrays(state.student, weights, "test")
    assign_arrays(state.teacher, weights, "test")
    batch, rate = a_batch(config, rng), Schedule(config.schedule, config.objective, num_images=4).at(0)
    targets = teacher_targets(state.teacher, batch, Centers(**state.method_state), rate, patches=True)
    drop_path = microbatch_drop_path(draw_drop_path(config, batch, 0), 0, 1)
    terms = hssl_losses(state.student, batch, targets, drop_path, config.objective)
    named = state.student.named_parameters()
    found = jt.grad(terms.total, [parameter for _, parameter in named])
    student = {name: torch.tensor(value).double() for name, value in weights.items()}
    teacher = {name: torch.tensor(value).double() for name, value in weights.items()}
    _, gradients, _ = next(torch_run(config, student, teacher, [batch], [rate]))
    for (name, _), gradient in zip(named, found, strict=True):
        expected = without_key_bias(name, gradients[name].numpy())
        assert relative_error(without_key_bias(name, gradient.numpy()), expected) < 1e-4, name
        assert np.abs(gradient.numpy()).max() > 0, f"{name} got no gradient"
