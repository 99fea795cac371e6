"""A loss that is not finite: the step where it began is found, saved and named, however late it is read."""

import json
import re

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from tests.pipeline.pretrain.small_run import small_config

STEP = 4  # counted from 1, of six


def six_steps():
    config = small_config()
    return config.model_copy(update={"schedule": config.schedule.model_copy(update={"epochs": 2.4})})


def train(dataset, output, **runtime):
    from pipeline.pretrain.training import pretrain

    output.mkdir(exist_ok=True)
    keys = {"checkpoint_every_minutes": 1e-9, "log_every_steps": 1, "watch_gradients": False, **runtime}
    messages = []
    try:
        pretrain(
            six_steps(),
            dataset,
            output,
            runtime=RuntimeConfig(**keys),
            report=lambda p: messages.append(p.warning),
        )
    except FloatingPointError as error:
        return str(error), [text for text in messages if text]
    raise AssertionError("no loss was broken")


@pytest.fixture
def pixel(jt, monkeypatch):
    """One pixel of the step's batch is infinite."""
    from pipeline.pretrain.batch_maker import BatchMaker

    right = BatchMaker.__call__

    def broken(maker, step):
        batch = right(maker, step)
        if step == STEP - 1:
            batch.global_crops[1, 2, 0, 5, 6] = np.inf
        return batch

    monkeypatch.setattr(BatchMaker, "__call__", broken)


@pytest.fixture
def gradient(jt, monkeypatch):
    """One value of a weight's gradient is no number in that step: losses are not finite from the next on."""
    from pipeline.pretrain import step as steps

    right = steps.accumulated_gradients
    passes = {"step": 0}

    def broken(forward, count, parameters):
        outputs, gradients = right(forward, count, parameters)
        if passes["step"] == STEP - 1:
            bad = gradients[3].numpy().copy()
            bad.flat[0] = np.nan
            gradients[3] = jt.array(bad)
        return outputs, gradients

    def counting(state, *others):
        passes["step"] = state.step
        return train_step(state, *others)

    train_step = steps.train_step
    monkeypatch.setattr(steps, "accumulated_gradients", broken)
    from pipeline.pretrain import training

    monkeypatch.setattr(training, "train_step", counting)


@pytest.mark.parametrize("log_every_steps", [1, 20])
def test_an_infinite_pixel_is_named_with_step_and_images(jt, pixel, tiny_dataset, tmp_path, log_every_steps):
    message, messages = train(tiny_dataset, tmp_path / "run", log_every_steps=log_every_steps)
    first, second = message.splitlines()
    assert re.match(r"step 4: non-finite losses .*; images: \S+, \S+, \S+, \S+$", first)
    assert second.startswith(
        "it began in step 4 by the batch's global_crops (2, 4, 3, 24, 24): 0 NaN and 1 infinite of 13824 "
    )
    assert "the first at [1, 2, 0, 5, 6]" in second
    assert "`doit run replay step=4`" in second
    begins = 3 if log_every_steps == 1 else 1  # the newest checkpoint
    assert f"going again from step {begins}" in messages[-1]


def test_what_was_saved_repeats_the_step(jt, pixel, tiny_dataset, tmp_path):
    from pipeline.optim.schedules import Rates
    from pipeline.pretrain.non_finite.saved_step import (
        batch_of,
        read_about,
        read_batch,
        saved_step,
        saved_steps,
    )
    from pipeline.pretrain.non_finite.step_check import check_step
    from pipeline.pretrain.step import initial_state
    from pipeline.training.checkpoint import load_checkpoint

    train(tiny_dataset, tmp_path / "run")
    assert saved_steps(tmp_path / "run") == [4]
    place = saved_step(tmp_path / "run", 4)
    about = read_about(place)
    assert len(about["images"]) == 4
    assert about["losses"]["loss"] == "nan"
    assert json.loads(place.about.read_text())["first"].startswith("the batch's global_crops")
    batch = batch_of(read_batch(place))
    state = load_checkpoint(place.state, initial_state(six_steps()))
    assert state.step == 3
    look = check_step(state, batch, Rates(**about["rates"]), six_steps())
    assert str(look.broken) == about["first"]
    batch.global_crops[1, 2, 0, 5, 6] = 0
    state = load_checkpoint(place.state, initial_state(six_steps()))
    look = check_step(state, batch, Rates(**about["rates"]), six_steps())
    assert look.broken is None
    assert look.num_finite > 100
    assert set(look.losses) == {"loss", "loss_base_cls", "loss_auxiliary_cls", "loss_base_patch"}


def test_saved_steps_are_no_outputs_of_the_stage(jt, pixel, tiny_dataset, tmp_path):
    from pipeline.storage.artifacts import output_records

    train(tiny_dataset, tmp_path / "run")
    assert list(output_records(tmp_path / "run")) == ["metrics.jsonl"]


def test_a_gradient_that_breaks_the_weights_is_found_a_step_before_the_loss(
    jt, gradient, tiny_dataset, tmp_path
):
    """The loss of step 4 is finite, that of step 5 is not."""
    message, _ = train(tiny_dataset, tmp_path / "run", log_every_steps=20)
    first, second = message.splitlines()
    assert first.startswith("step 5: non-finite losses")
    assert second.startswith("it began in step 4 ")
    assert "NaN" in second


def test_numbers_that_are_finite_the_second_time_are_the_machines_fault(
    jt, tiny_dataset, tmp_path, monkeypatch
):
    from pipeline.pretrain import training
    from pipeline.pretrain.step import train_step

    passes = []

    def broken_once(state, batch, *others):
        if state.step == 3 and not passes:
            passes.append(batch)
            batch.global_crops[:] = np.nan
        return train_step(state, batch, *others)

    monkeypatch.setattr(training, "train_step", broken_once)
    message, _ = train(tiny_dataset, tmp_path / "run")
    assert "from the newest checkpoint to step 4, have finite losses and weights" in message
    assert "doit run doctor deep=yes" in message


def test_a_full_disk_does_not_hide_the_loss(jt, pixel, tiny_dataset, tmp_path, monkeypatch):
    from pipeline.pretrain.non_finite import first_step

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(first_step, "write_step", full)
    message, _ = train(tiny_dataset, tmp_path / "run")
    first, second = message.splitlines()
    assert first.startswith("step 4: non-finite losses")
    assert second == "where it began could not be found: OSError: [Errno 28] No space left on device"
