"""A loss that is not finite is followed to its tensor, step and images, in every fine-tuning."""

import json
from functools import partial

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from pipeline.weights.arrays import read_arrays
from tests.pipeline.finetune.test_training import SCHEDULE, make_batch, toy_network


def broken(jt, output, *, spoil_batch=None, spoil_pixel=None, spoil_loss=None, runtime=None, messages=None):
    """The message of a training that sees a target or a pixel that is no number, or divides by 0."""
    from pipeline.finetune.training import finetune

    network = toy_network(jt)

    def spoiled(step):
        batch = make_batch(step)
        if step == spoil_batch:
            batch.targets[1] = np.nan
        if step == spoil_pixel:
            batch.images[1, 2, 3, 4] = np.nan
        return batch

    def losses(batch, drop_path_scales):
        found = network(jt.array(batch.images), drop_path_scales)
        divisor = 0.0 if batch.names[0].startswith(f"{spoil_loss}-") else 3.0
        return {"error": ((found - jt.array(batch.targets)) ** 2).sum() / jt.array([divisor])}

    run = partial(
        finetune, network, make_batch=spoiled, losses=losses, schedule=SCHEDULE, seed=4, run="r",
        output=output, runtime=runtime or RuntimeConfig(log_every_steps=6),
        report=[].append if messages is None else messages.append,
    )  # fmt: skip
    with pytest.raises(FloatingPointError) as caught:
        run()
    return str(caught.value)


def test_a_target_is_named_with_its_step_and_images_long_before_the_loss_was_read(jt, tmp_path):
    message = broken(jt, tmp_path, spoil_batch=2)
    assert "it began in step 3 by the batch's targets (3,): 1 NaN and 0 infinite" in message
    assert "the first at [1]" in message
    folder = tmp_path / "checkpoint-non-finite"
    about = json.loads((folder / "step3.json").read_text())
    assert about["images"] == ["2-0.png", "2-1.png", "2-2.png"]
    arrays, _ = read_arrays(folder / "step3-batch.safetensors")
    assert np.isnan(arrays["targets"][1])
    state, metadata = read_arrays(folder / "step3-state.safetensors")
    assert metadata["step"] == 2
    assert all(np.isfinite(each).all() for each in state.values() if each.dtype.kind == "f")


def test_a_loss_is_named_after_a_start_from_a_checkpoint(jt, tmp_path):
    saving = RuntimeConfig(log_every_steps=1, checkpoint_every_minutes=1e-9)
    messages = []
    message = broken(jt, tmp_path, spoil_loss=4, runtime=saving, messages=messages)
    assert "it began in step 5 by loss (1,): 0 NaN and 1 infinite of 1 values" in message
    assert any("going again from step 4" in (each.warning or "") for each in messages)


def test_what_a_relu_hides_from_the_loss_is_seen_in_the_running_statistics(jt, tmp_path):
    """In Jittor, ReLU makes 0 of NaN: the losses stay finite, and the network is broken."""
    message = broken(jt, tmp_path, spoil_pixel=2)
    assert message.startswith("step 6: network/mix.")
    assert "is not finite, though the losses are" in message
    assert "it began in step 3 by the batch's images (" in message
    assert (tmp_path / "checkpoint-non-finite" / "step3-batch.safetensors").is_file()
    assert not list(tmp_path.glob("checkpoint*.safetensors"))


def test_a_logged_step_reads_running_statistics_and_no_frozen_weight(jt, monkeypatch):
    from pipeline.finetune.training import Finetuning

    network = toy_network(jt, frozen=True)
    training = Finetuning(network, make_batch, lambda batch, scales: {}, SCHEDULE, 4, "r", 1)
    read, numpy = [], jt.Var.numpy
    monkeypatch.setattr(jt.Var, "numpy", lambda value: read.append(value.numel()) or numpy(value))
    training.after_logged_step(training.fresh_state())
    named = dict(network.named_parameters())
    statistics = [value.numel() for name, value in named.items() if "running_" in name]
    assert sum(read) == sum(statistics) > 0
    assert len(named) > len(statistics)
