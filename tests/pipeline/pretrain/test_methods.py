"""Every method but iBOT in real steps: gradients, the teacher, what is frozen, a resumed run."""

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from tests.pipeline.pretrain.small_run import SMALL_METHODS, a_batch_of_method, config_of_method

EAGER = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=1)  # save and log at every step
EVERY = pytest.mark.parametrize(
    ("name", "head"), [(name, head) for name in SMALL_METHODS for head in (False, True)]
)


def rates_of(config, step=0):
    from pipeline.optim.schedules import Schedule

    return Schedule(config.schedule, config.objective, num_images=4).at(step)


def gradients(config, batch, state=None):
    """Of every parameter of the student, at initial values."""
    import jittor as jt

    from pipeline.pretrain.drop_path_masks import draw_drop_path, microbatch_drop_path
    from pipeline.pretrain.methods.method import MethodInput, method_of
    from pipeline.pretrain.step import initial_state

    state = state or initial_state(config)
    drop_path = microbatch_drop_path(draw_drop_path(config, batch, 0), 0, 1)
    inputs = MethodInput(state.method_state, batch, drop_path, rates_of(config))
    outcome = method_of(config).forward(state.networks, inputs)
    names, parameters = map(list, zip(*state.student.named_parameters(), strict=True))
    found = jt.grad(outcome.losses.total, parameters)
    return {name: g.numpy() for name, g in zip(names, found, strict=True)}


def frozen_names(config, state):
    from pipeline.pretrain.methods.method import method_of

    names = [name for name, _ in state.student.named_parameters()]
    method = method_of(config)
    return {name for name in names if method.frozen(name, state.student, rates_of(config))}


@EVERY
def test_every_trained_tensor_gets_a_gradient_and_only_those_move(jt, rng, name, head):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.step import initial_state, train_step

    config = config_of_method(name, head=head)
    state, batch = initial_state(config), a_batch_of_method(config, rng)
    frozen = frozen_names(config, state)
    stays = {"backbone.mask_token"}
    if name != "mae":  # batch norm cancels shifts in front of it
        stays |= {"backbone.norm.bias"} | ({"auxiliary_head.norm.bias"} if head else set())
    if name == "mocov3":
        stays |= {"backbone.patch_embed.weight", "backbone.patch_embed.bias"}
    assert frozen == stays
    sizes = {n: np.abs(g).max() for n, g in gradients(config, batch, state).items()}
    assert all(np.isfinite(size) for size in sizes.values())
    assert {n for n, size in sizes.items() if size < 1e-9} - frozen == set()
    before = named_arrays(state.student)
    state, _ = train_step(state, batch, rates_of(config), config)
    after = named_arrays(state.student)
    assert {n for n in before if np.array_equal(before[n], after[n])} == frozen


@EVERY
def test_the_teacher_is_an_exact_moving_average_without_predictor_or_decoder(jt, rng, name, head):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.step import initial_state, train_step

    config = config_of_method(name, head=head)
    state = initial_state(config)
    if name == "simclr" or (name == "mae" and not head):
        assert state.teacher is None
        return
    first = named_arrays(state.teacher)
    student = named_arrays(state.student)
    parts = {n.split(".")[0] for n in first}
    own = {"mae": set(), "mocov3": {"projector"}, "byol": {"projector"}}[name]
    projector = {f"{'auxiliary' if head else 'base'}_{part}" for part in own}
    assert parts == {"backbone"} | projector | ({"auxiliary_head"} if head else set())
    assert all(np.array_equal(value, student[n]) for n, value in first.items())
    rates = rates_of(config)
    state, _ = train_step(state, a_batch_of_method(config, rng), rates, config)
    student = named_arrays(state.student)
    for n, value in named_arrays(state.teacher).items():
        momentum = rates.ema_momentum
        expected = momentum * first[n].astype(np.float64) + (1 - momentum) * student[n]
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-7, err_msg=n)
        assert np.array_equal(value, first[n]) == np.array_equal(student[n], first[n]), n


@EVERY
def test_a_resumed_run_equals_an_uninterrupted_one(jt, tiny_dataset, tmp_path, name, head):
    from pipeline.models.weights import named_arrays
    from pipeline.pretrain.training import pretrain
    from pipeline.training.metrics_log import METRICS, read_metrics

    class Stopped(Exception):
        """Stands for a kill."""

    def report_until(last):
        def report(progress):
            assert progress.warning is None
            if progress.step == last:
                raise Stopped

        return report

    config = config_of_method(name, head=head)
    schedule = config.schedule.model_copy(update={"epochs": 1.6, "base_lr": 0.01})  # 4 steps
    config, states = config.model_copy(update={"schedule": schedule}), []
    for folder, stops in (("whole", [None]), ("parts", [3, None])):
        (tmp_path / folder).mkdir()
        for stop in stops:
            try:
                state = pretrain(
                    config, tiny_dataset, tmp_path / folder, runtime=EAGER, report=report_until(stop)
                )
            except Stopped:
                assert stop == 3  # its checkpoint is that of step 2
        teacher = named_arrays(state.teacher) if state.teacher is not None else {}
        states.append(named_arrays(state.student) | {f"teacher/{n}": a for n, a in teacher.items()})
    whole, resumed = states
    assert whole.keys() == resumed.keys()
    assert all(np.array_equal(value, resumed[n]) for n, value in whole.items())
    logs = [read_metrics(tmp_path / folder / METRICS) for folder in ("whole", "parts")]
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]
    last = logs[0][-1]
    assert ("discrepancy_cka" in last) == head
    assert ("discrepancy_cosine" in last) == (head and name == "simclr")  # the one with a space for both
    assert "discrepancy_kl" not in last  # no prototypes
    assert ("retrieval" in last) == (name in ("mocov3", "simclr"))


def test_a_checkpoint_of_another_method_is_refused(jt, tiny_dataset, tmp_path):
    from pipeline.models.weights import WeightsError
    from pipeline.pretrain.step import initial_state
    from pipeline.training.checkpoint import load_checkpoint, save_checkpoint

    byol, mocov3 = (config_of_method(name, head=True) for name in ("byol", "mocov3"))
    save_checkpoint(tmp_path / "byol.safetensors", initial_state(byol), run="byol")
    with pytest.raises(WeightsError, match="another configuration"):
        load_checkpoint(tmp_path / "byol.safetensors", initial_state(mocov3), run="mocov3")


def test_mae_in_parts_equals_the_whole_batch(jt, rng):
    from pipeline.pretrain.step import initial_state, train_step

    batch, losses = a_batch_of_method(config_of_method("mae", head=True), rng), []
    for num_microbatches in (1, 2):
        config = config_of_method("mae", head=True)
        schedule = config.schedule.model_copy(
            update={"accumulation_steps": num_microbatches, "base_lr": 0.01}
        )
        config, state = config.model_copy(update={"schedule": schedule}), None
        state, totals = initial_state(config), []
        for step in range(2):
            state, outcome = train_step(state, batch, rates_of(config, step), config)
            totals.append(outcome.losses.total.item())
        losses.append(totals)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
