"""SGD and LARS against float64 formulas and torch; what they share with AdamW."""

import numpy as np
import pytest

SHAPES = [(3, 5), (17,), (4, 1), (2, 3, 4), (2, 2)]
DECAYED = [True, False, True, True, True]
TRUST = 0.02


def drawn(rng):
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def optimizer(arrays, jt, trust, max_norm=0.0):
    from pipeline.optim.sgd_lars import MomentumDescent

    parameters = [jt.array(array) for array in arrays]
    descent = MomentumDescent(
        parameters, decayed=DECAYED, momentum=0.9, trust_coefficient=trust, max_gradient_norm=max_norm
    )
    return descent, parameters


def oracle_step(values, gradients, moments, *, trust, lr, weight_decay, max_norm, frozen):
    """In float64, in place."""
    for i, gradient in enumerate(gradients):
        if i in frozen:
            continue
        gradient = gradient.astype(np.float64)
        if max_norm:
            gradient = gradient * min(1.0, max_norm / (np.linalg.norm(gradient) + 1e-6))
        if DECAYED[i]:
            gradient = gradient + weight_decay * values[i]
            own, step = np.linalg.norm(values[i]), np.linalg.norm(gradient)
            if trust and own > 0 and step > 0:
                gradient = gradient * trust * own / step
        moments[i] = 0.9 * moments[i] + gradient
        values[i] -= lr * moments[i]


@pytest.mark.parametrize("trust", [None, TRUST])
@pytest.mark.parametrize("max_norm", [0.0, 0.3])
def test_five_steps_with_changing_rates_and_a_frozen_tensor(jt, rng, trust, max_norm):
    start = drawn(rng)
    start[4][:] = 0  # a tensor without a norm has no ratio
    descent, parameters = optimizer(start, jt, trust, max_norm)
    values = [array.astype(np.float64) for array in start]
    moments = [np.zeros(shape) for shape in SHAPES]
    for step in range(5):
        gradients, rates = drawn(rng), {"lr": 0.1 * (step + 1), "weight_decay": 0.1 * step}
        frozen = frozenset([0] if step < 2 else [])
        descent.step([jt.array(g) for g in gradients], **rates, frozen=frozen)
        oracle_step(values, gradients, moments, trust=trust, **rates, max_norm=max_norm, frozen=frozen)
        if step < 2:
            assert np.array_equal(parameters[0].numpy(), start[0])
    for parameter, value in zip(parameters, values, strict=True):
        assert np.abs(parameter.numpy() - value).max() < 5e-6
    assert all(parameter.requires_grad for parameter in parameters)


def test_the_ratio_leaves_zero_gradients_and_zero_weights_finite(jt):
    from pipeline.optim.sgd_lars import MomentumDescent

    weights = [jt.zeros((2, 2)), jt.ones((2, 2))]
    lars = MomentumDescent(weights, decayed=[True, True], trust_coefficient=TRUST, max_gradient_norm=0)
    lars.step([jt.ones((2, 2)), jt.zeros((2, 2))], lr=0.5, weight_decay=0.0)
    assert np.array_equal(weights[0].numpy(), np.full((2, 2), -0.5))
    assert np.array_equal(weights[1].numpy(), np.ones((2, 2)))


def test_sgd_equals_torch(jt, rng):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    start = drawn(rng)
    descent, parameters = optimizer(start, jt, None)
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in start]
    groups = [{"params": [p], "weight_decay": 0.05 * d} for p, d in zip(theirs, DECAYED, strict=True)]
    reference = torch.optim.SGD(groups, lr=0.02, momentum=0.9)
    for _ in range(4):
        gradients = drawn(rng)
        descent.step([jt.array(g) for g in gradients], lr=0.02, weight_decay=0.05)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        reference.step()
    for parameter, expected in zip(parameters, theirs, strict=True):
        assert np.abs(parameter.numpy() - expected.detach().numpy()).max() < 2e-6


@pytest.mark.parametrize("trust", [None, TRUST])
def test_a_resumed_run_is_the_same_bit_for_bit(jt, rng, trust):
    start, gradients = drawn(rng), [drawn(rng) for _ in range(4)]
    whole, expected = optimizer(start, jt, trust, 0.5)
    first, between = optimizer(start, jt, trust, 0.5)
    for index, each in enumerate(gradients):
        whole.step([jt.array(g) for g in each], lr=0.1, weight_decay=0.1)
        if index < 2:
            first.step([jt.array(g) for g in each], lr=0.1, weight_decay=0.1)
    second, found = optimizer([p.numpy() for p in between], jt, trust, 0.5)
    second.load_state(first.state())
    for each in gradients[2:]:
        second.step([jt.array(g) for g in each], lr=0.1, weight_decay=0.1)
    for mine, theirs in zip(found, expected, strict=True):
        assert np.array_equal(mine.numpy(), theirs.numpy())


def test_what_does_not_fit_is_refused(jt, rng):
    descent, _ = optimizer(drawn(rng), jt, None)
    with pytest.raises(ValueError, match="4 gradients for 5"):
        descent.step([jt.array(g) for g in drawn(rng)[:4]], lr=0.1, weight_decay=0)
    with pytest.raises(ValueError, match="gradient 0 is float32"):
        descent.step([jt.array(g.reshape(-1)) for g in drawn(rng)], lr=0.1, weight_decay=0)
    with pytest.raises(ValueError, match=r"frozen \[7\]"):
        descent.step([jt.array(g) for g in drawn(rng)], lr=0.1, weight_decay=0, frozen=frozenset([7]))
    state = descent.state()
    with pytest.raises(ValueError, match="entries"):
        descent.load_state({"momentum": state["momentum"]})
    with pytest.raises(ValueError, match="other sizes"):
        descent.load_state(state | {"sizes": state["sizes"][:-1]})
    with pytest.raises(ValueError, match="momentum is float64"):
        descent.load_state(state | {"momentum": state["momentum"].astype(np.float64)})


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_every_optimizer_trains_freezes_and_resumes(jt, rng, name, tmp_path):
    from pipeline.models.weights import named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step
    from pipeline.training.checkpoint import load_checkpoint, save_checkpoint
    from tests.pipeline.pretrain.small_run import a_batch, small_config

    given = small_config()
    schedule = given.schedule.model_copy(update={"optimizer": name, "freeze_last_layer_epochs": 1})
    config = given.model_copy(update={"schedule": schedule})
    rates = Schedule(config.schedule, config.objective, num_images=4)
    batches = [a_batch(config, rng) for _ in range(3)]
    state, first = initial_state(config), None
    for step, batch in enumerate(batches):
        before = named_arrays(state.student)
        state, _ = train_step(state, batch, rates.at(step), config)
        moved = {n for n, a in named_arrays(state.student).items() if not np.array_equal(a, before[n])}
        still = {"projection_head.prototypes"} if step == 0 else set()
        assert moved == before.keys() - still
        if step == 1:
            save_checkpoint(tmp_path / "c.safetensors", state, run="config")
            first = load_checkpoint(tmp_path / "c.safetensors", initial_state(config), run="config")
    first, _ = train_step(first, batches[2], rates.at(2), config)
    for network in ("student", "teacher"):
        found, expected = named_arrays(getattr(first, network)), named_arrays(getattr(state, network))
        assert all(np.array_equal(found[n], expected[n]) for n in expected)
