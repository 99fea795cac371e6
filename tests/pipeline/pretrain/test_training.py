"""Whole runs of a few steps: resuming, broken checkpoints, broken losses."""

import json
import os
import re
import signal

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig, ShuffleConfig
from tests.pipeline.pretrain.small_run import small_config

# Save and log at every step.
EAGER = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=1)


class Stopped(Exception):
    """Stands for a kill."""


def config_of_six_steps(**changes):
    config = small_config(**changes)
    return config.model_copy(update={"schedule": config.schedule.model_copy(update={"epochs": 2.4})})


def run(dataset, output, config, stop_after=None, export=lambda epoch, state: None, note=lambda text: None):
    from pipeline.pretrain.training import pretrain

    def report(progress):
        if progress.warning:
            note(progress.warning)
        if progress.step == stop_after:
            raise Stopped

    output.mkdir(exist_ok=True)
    return pretrain(config, dataset, output, runtime=EAGER, report=report, export=export)


def weights_of(state):
    from pipeline.models.weights import named_arrays

    return {
        **named_arrays(state.student),
        **{f"teacher/{k}": v for k, v in named_arrays(state.teacher).items()},
    }


@pytest.mark.parametrize("shuffle", [None, ShuffleConfig(buffer=8, block=2)], ids=["whole", "in-blocks"])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(jt, tiny_dataset, tmp_path, shuffle):
    config = config_of_six_steps()
    config = config.model_copy(update={"schedule": config.schedule.model_copy(update={"shuffle": shuffle})})
    whole = run(tiny_dataset, tmp_path / "whole", config)
    with pytest.raises(Stopped):
        run(tiny_dataset, tmp_path / "parts", config, stop_after=4)
    # Stopped between logging step 4 and saving it: the checkpoint is that of step 3.
    resumed = run(tiny_dataset, tmp_path / "parts", config)
    assert whole.step == resumed.step == 6
    expected, found = weights_of(whole), weights_of(resumed)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_a_training_that_is_warned_saves_the_step_it_is_at_and_ends(jt, tiny_dataset, tmp_path, monkeypatch):
    from pipeline.pretrain.training import pretrain
    from pipeline.training.end_warning import WARNING, EndWarning
    from pipeline.weights.arrays import read_arrays

    def ended(warning):
        warning.close()
        raise Stopped

    monkeypatch.setattr(EndWarning, "end", ended)
    config, seldom, output = config_of_six_steps(), RuntimeConfig(log_every_steps=100), tmp_path / "run"
    output.mkdir()

    def warn(progress):
        if progress.step == 1:
            os.kill(os.getpid(), WARNING)

    with pytest.raises(Stopped):
        pretrain(config, tiny_dataset, output, runtime=seldom, report=warn, export=lambda epoch, state: None)
    assert read_arrays(output / "checkpoint.safetensors")[1]["step"] == 1
    assert signal.getsignal(WARNING) is signal.SIG_DFL
    expected = weights_of(run(tiny_dataset, tmp_path / "whole", config))
    found = weights_of(run(tiny_dataset, output, config))
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_every_parameter_still_learns_after_a_resume(jt, tiny_dataset, tmp_path):
    """The official code resumes into a frozen network without a word."""
    config = config_of_six_steps()
    with pytest.raises(Stopped):
        run(tiny_dataset, tmp_path / "run", config, stop_after=4)
    from pipeline.weights.arrays import read_arrays

    saved, metadata = read_arrays(tmp_path / "run" / "checkpoint.safetensors")
    assert metadata["step"] == 3
    resumed = run(tiny_dataset, tmp_path / "run", config)
    from pipeline.models.weights import named_arrays

    unchanged = [
        name
        for name, value in named_arrays(resumed.student).items()
        if np.array_equal(value, saved[f"student/{name}"])
    ]
    assert unchanged == []


def test_a_finished_run_is_not_trained_further(jt, tiny_dataset, tmp_path):
    config = config_of_six_steps()
    first = run(tiny_dataset, tmp_path / "run", config)
    again = run(tiny_dataset, tmp_path / "run", config)
    assert all(np.array_equal(value, weights_of(again)[name]) for name, value in weights_of(first).items())


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(jt, tiny_dataset, tmp_path, monkeypatch):
    from pipeline.pretrain import training
    from pipeline.pretrain.step import train_step

    def broken(state, batch, *others):
        if state.step == 3:
            batch.global_crops[:] = np.nan
        return train_step(state, batch, *others)

    monkeypatch.setattr(training, "train_step", broken)
    message = r"(?m)step 4: non-finite losses .*all losses: .*; images: \S+, \S+, \S+, \S+$"
    with pytest.raises(FloatingPointError, match=message):
        run(tiny_dataset, tmp_path / "run", config_of_six_steps())
    from pipeline.weights.arrays import read_arrays

    saved, metadata = read_arrays(tmp_path / "run" / "checkpoint.safetensors")
    assert metadata["step"] == 3
    assert all(np.isfinite(value).all() for value in saved.values())


def test_what_is_measured_beside_the_losses_stops_too(jt, tiny_dataset, tmp_path, monkeypatch):
    """Weights may be so large that losses are finite and the discrepancy is not; no log could hold it."""
    from pipeline.pretrain import training

    right = training.measured_discrepancy
    calls = []

    def overflowing(*given):
        calls.append(given)
        return right(*given) | ({"discrepancy_kl": float("inf")} if len(calls) == 2 else {})

    monkeypatch.setattr(training, "measured_discrepancy", overflowing)
    with pytest.raises(FloatingPointError) as caught:
        run(tiny_dataset, tmp_path / "run", config_of_six_steps())
    first, second = str(caught.value).splitlines()
    assert first.startswith("step 2: discrepancy_kl not finite, though the losses are")
    assert second.startswith("the same steps again, from the newest checkpoint to step 2, have finite losses")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1]


def test_a_checkpoint_of_another_configuration_is_refused(jt, tiny_dataset, tmp_path):
    from pipeline.models.weights import WeightsError

    run(tiny_dataset, tmp_path / "run", config_of_six_steps())
    with pytest.raises(WeightsError, match=r"checkpoint\.safetensors: belongs to another configuration"):
        run(tiny_dataset, tmp_path / "run", config_of_six_steps(seed=4))


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(jt, tiny_dataset, tmp_path):
    config = config_of_six_steps()
    whole = run(tiny_dataset, tmp_path / "whole", config)
    with pytest.raises(Stopped):
        run(tiny_dataset, tmp_path / "parts", config, stop_after=5)
    newest = tmp_path / "parts" / "checkpoint.safetensors"  # of step 4
    damaged = bytearray(newest.read_bytes())
    damaged[-100] ^= 4
    newest.write_bytes(damaged)
    (tmp_path / "parts" / "metrics.jsonl").write_text('{"step": 1, "loss": 99.0}\n')
    messages = []
    resumed = run(tiny_dataset, tmp_path / "parts", config, note=messages.append)
    assert all(np.array_equal(value, weights_of(resumed)[name]) for name, value in weights_of(whole).items())
    assert re.search(r"checkpoint\.safetensors: damaged: .* the checkpoint before, of step 3$", messages[0])
    logs = [(tmp_path / folder / "metrics.jsonl").read_text().splitlines() for folder in ("whole", "parts")]
    expected, found = [[(line["step"], line["loss"]) for line in map(json.loads, log)] for log in logs]
    assert found == expected


def started_from(config, path, **schedule):
    from pipeline.config.stages import StartConfig

    changes = {"start": StartConfig(checkpoint=str(path))}
    if schedule:
        changes["schedule"] = config.schedule.model_copy(update=schedule)
    return config.model_copy(update=changes)


def test_a_run_that_starts_from_a_checkpoint_goes_on_bit_for_bit(jt, tiny_dataset, tmp_path):
    config = config_of_six_steps()
    whole = run(tiny_dataset, tmp_path / "whole", config)
    with pytest.raises(Stopped):
        run(tiny_dataset, tmp_path / "first", config, stop_after=4)
    started = started_from(config, tmp_path / "first" / "checkpoint.safetensors")  # of step 3
    second = run(tiny_dataset, tmp_path / "second", started)
    expected, found = weights_of(whole), weights_of(second)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    lines = (tmp_path / "second" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 5, 6]


def test_what_a_run_cannot_start_from_is_refused(jt, tiny_dataset, tmp_path):
    from pipeline.config.stages import StartConfig
    from pipeline.models.weights import WeightsError

    config = config_of_six_steps()
    run(tiny_dataset, tmp_path / "whole", config)
    checkpoint = tmp_path / "whole" / "checkpoint.safetensors"
    for given, message in (
        (started_from(config, tmp_path / "none.safetensors"), "none.safetensors"),
        (started_from(config, checkpoint), "is of step 6; the run ends at step 6"),
        (started_from(config_of_six_steps(auxiliary_head=None), checkpoint, epochs=9), "does not fit"),
        (started_from(config, checkpoint, epochs=9, optimizer="sgd"), "optimiser state"),
        (
            config.model_copy(update={"start": StartConfig(checkpoint=str(checkpoint), sha256="0" * 64)}),
            "its SHA-256 is",
        ),
    ):
        with pytest.raises(WeightsError, match=message):
            run(tiny_dataset, tmp_path / "other", given)
    with pytest.raises(ValueError, match="pickled"):
        StartConfig(checkpoint="checkpoint.pth")


def test_exports_come_at_whole_epochs_and_change_nothing(jt, tiny_dataset, tmp_path):
    config = config_of_six_steps()
    changed = config.model_copy(
        update={"schedule": config.schedule.model_copy(update={"export_every_epochs": 1})}
    )
    exported = {}

    def export(epoch, state):
        exported[epoch] = (state.step, weights_of(state))

    expected = weights_of(run(tiny_dataset, tmp_path / "plain", config))
    found = weights_of(run(tiny_dataset, tmp_path / "exporting", changed, export=export))
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert {epoch: step for epoch, (step, _) in exported.items()} == {1: 3, 2: 5}
    assert not np.array_equal(exported[1][1]["backbone.pos_embed"], exported[2][1]["backbone.pos_embed"])
