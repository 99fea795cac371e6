"""Every kind of auxiliary head in real steps: gradients, a batch in parts, a resumed run."""

import numpy as np
import pytest

from pipeline.config.models import AUXILIARY_HEADS
from pipeline.config.stages import RuntimeConfig
from tests.pipeline.pretrain.small_run import a_batch, relative_error, small_config, without_key_bias

KINDS = tuple(AUXILIARY_HEADS)
EAGER = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=1)  # save and log at every step


def config_of(kind, *, first_shortcut=False, **schedule):
    head = {"kind": kind, "kernel_size": 3, "window_size": 3, "first_shortcut": first_shortcut}
    config = small_config(auxiliary_head=head)
    return config.model_copy(update={"schedule": config.schedule.model_copy(update=schedule)})


@pytest.mark.parametrize("first_shortcut", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_gets_a_gradient(jt, rng, kind, first_shortcut):
    """From initial values, with drop path, masks and local crops of another grid."""
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.centers import Centers
    from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
    from pipeline.pretrain.hssl_loss import hssl_losses, teacher_targets
    from pipeline.pretrain.step import initial_state

    config = config_of(kind, first_shortcut=first_shortcut)
    state = initial_state(config)
    batch, rates = a_batch(config, rng), Schedule(config.schedule, config.objective, num_images=4).at(0)
    targets = teacher_targets(state.teacher, batch, Centers(**state.method_state), rates, patches=True)
    drop_path = microbatch_drop_path(draw_drop_path(config, batch, 0), 0, 1)
    terms = hssl_losses(state.student, batch, targets, drop_path, config.objective)
    named = state.student.named_parameters()
    found = jt.grad(terms.total, [parameter for _, parameter in named])
    sizes = {name: np.abs(g.numpy()).max() for (name, _), g in zip(named, found, strict=True)}
    assert sum(name.startswith("auxiliary_head.") for name in sizes) > 10
    assert all(np.isfinite(size) for size in sizes.values())
    # The rounding noise of a gradient that is exactly zero would be below.
    assert {name for name, size in sizes.items() if size < 1e-7} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_in_parts_equal_the_whole_batch(jt, rng, kind):
    from pipeline.models.weights import named_arrays
    from pipeline.optim.schedules import Schedule
    from pipeline.pretrain.step import initial_state, train_step

    batches = [a_batch(small_config(), rng) for _ in range(2)]
    weights, losses = [], []
    for num_microbatches in (1, 2):
        config = config_of(kind, accumulation_steps=num_microbatches)
        schedule, state = Schedule(config.schedule, config.objective, num_images=4), initial_state(config)
        for index, batch in enumerate(batches):
            state, outcome = train_step(state, batch, schedule.at(index), config)
        losses.append(outcome.losses.total.item())
        arrays = {**named_arrays(state.student)}
        arrays |= {f"teacher/{name}": value for name, value in named_arrays(state.teacher).items()}
        weights.append(np.concatenate([without_key_bias(n, a).ravel() for n, a in arrays.items()]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert relative_error(weights[1], weights[0]) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_equals_an_uninterrupted_one(jt, tiny_dataset, tmp_path, kind):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.training import pretrain

    class Stopped(Exception):
        """Stands for a kill."""

    def report_until(last):
        def report(progress):
            if progress.step == last:
                raise Stopped

        return report

    config = config_of(kind, epochs=1.6)  # 4 steps
    states = []
    for name, stops in (("whole", [None]), ("parts", [3, None])):
        (tmp_path / name).mkdir()
        for stop in stops:
            try:
                state = pretrain(
                    config, tiny_dataset, tmp_path / name, runtime=EAGER, report=report_until(stop)
                )
            except Stopped:
                assert stop == 3
        states.append(
            named_arrays(state.student) | {f"t/{n}": a for n, a in named_arrays(state.teacher).items()}
        )
    whole, resumed = states
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
