import numpy as np
import pytest

from tests.pipeline.pretrain.small_run import a_batch, relative_error, small_config, without_key_bias


def with_schedule(config, **changes):
    return config.model_copy(update={"schedule": config.schedule.model_copy(update=changes)})


def steps(config, batches):
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step

    state, losses = initial_state(config), []
    schedule = Schedule(config.schedule, config.objective, num_images=4)
    for index, batch in enumerate(batches):
        state, outcome = train_step(state, batch, schedule.at(index), config)
        losses.append(outcome.losses.total.item())
    return state, losses


def test_gradients_in_parts_equal_the_whole_batch(jt, rng):
    from pipeline.models.weights import named_arrays

    config = small_config()
    batches = [a_batch(config, rng) for _ in range(2)]
    whole, losses = steps(config, batches)
    parts, losses_of_parts = steps(with_schedule(config, accumulation_steps=2), batches)
    assert losses_of_parts == pytest.approx(losses, rel=1e-5)
    assert relative_error(parts.method_state["cls"].numpy(), whole.method_state["cls"].numpy()) < 1e-5
    expected, found = named_arrays(whole.student), named_arrays(parts.student)
    together = [
        np.concatenate([without_key_bias(name, named[name]).ravel() for name in expected])
        for named in (found, expected)
    ]
    assert relative_error(*together) < 1e-4
    for name, value in found.items():
        # Entries whose gradient is rounding noise take Adam's full step in either direction.
        error = relative_error(without_key_bias(name, value), without_key_bias(name, expected[name]))
        assert error < 1e-3, name


def test_a_frozen_last_layer_stays_and_the_rest_moves(jt, rng):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.step import initial_state

    config = with_schedule(small_config(), freeze_last_layer_epochs=1)
    before = named_arrays(initial_state(config).student)
    after, _ = steps(config, [a_batch(config, rng)])
    moved = {
        name for name, value in named_arrays(after.student).items() if not np.array_equal(value, before[name])
    }
    assert "projection_head.prototypes" not in moved
    assert moved == before.keys() - {"projection_head.prototypes"}


def test_dino_has_no_patch_loss_and_leaves_its_centre(jt, rng):
    config = small_config(objective={"patch_weight": 0.0})
    state, _ = steps(config, [a_batch(config, rng)])
    assert (state.method_state["patch"].numpy() == 0).all()
    assert (state.method_state["cls"].numpy() != 0).any()
