"""Loggers in the place of which fakes stand: what each is given, and that none can stop a training."""

import pytest

from pipeline.training.loggers import all_loggers
from pipeline.training.loggers.all_loggers import logging_to, run_of
from pipeline.training.loggers.logger import LOGGERS, LoggerMissing, check_installed
from pipeline.training.metrics_log import append_metrics
from pipeline.training.progress import Progress


class Fake:
    """Remembers what it was given."""

    def __init__(self, last_step=0, fails_at=None):
        self.last_step, self.fails_at, self.given, self.closed = last_step, fails_at, [], False

    def log(self, step, metrics):
        if step == self.fails_at:
            raise OSError(28, "No space left on device")
        self.given.append((step, metrics))

    def close(self):
        self.closed = True


def go(output, monkeypatch, fakes, steps):
    """Train `steps` with loggers; what was said."""
    messages = []
    monkeypatch.setattr(all_loggers, "check_installed", lambda names: None)
    monkeypatch.setattr(all_loggers, "open_logger", lambda name, run: fakes[name])
    with logging_to(tuple(fakes), output, messages.append) as report:
        for step in steps:
            metrics = {"step": step, "loss": 1 / step}
            append_metrics(output / "metrics.jsonl", metrics)
            report(Progress(step, 9, metrics, None))
    return messages


def test_a_resumed_run_gives_each_logger_what_it_does_not_hold(output, monkeypatch):
    for step in (1, 2):
        append_metrics(output / "metrics.jsonl", {"step": step, "loss": 1 / step})
    fakes = {"tensorboard": Fake(), "mlflow": Fake(last_step=3)}
    assert go(output, monkeypatch, fakes, (3, 4)) == []
    assert fakes["tensorboard"].given == [(step, {"loss": 1 / step}) for step in (1, 2, 3, 4)]
    assert fakes["mlflow"].given == [(4, {"loss": 1 / 4})]
    assert all(fake.closed for fake in fakes.values())


def test_a_logger_that_fails_is_said_once_and_the_others_go_on(output, monkeypatch):
    fakes = {"tensorboard": Fake(fails_at=2), "mlflow": Fake()}
    (messages,) = go(output, monkeypatch, fakes, (1, 2, 3))
    assert messages.startswith("runtime.loggers: tensorboard failed and is left out from here on: OSError: ")
    assert [step for step, _ in fakes["tensorboard"].given] == [1]
    assert [step for step, _ in fakes["mlflow"].given] == [1, 2, 3]


def test_one_that_does_not_open_or_close_stops_nothing(output, monkeypatch):
    fake = Fake()
    fake.close = lambda: 1 / 0
    messages = go(output, monkeypatch, {"wandb": fake}, (1,))
    assert len(messages) == 1
    assert "ZeroDivisionError" in messages[0]
    monkeypatch.setattr(all_loggers, "run_of", lambda output: 1 / 0)
    messages = go(output, monkeypatch, {"wandb": Fake()}, (2, 3))
    assert len(messages) == 1


def test_a_run_is_called_after_its_stage_and_artifact(output):
    run = run_of(output)
    assert run.name == "pretrain-hssl-seed0-01234567"
    assert run.folder == output.parents[2] / "loggers"


def test_a_logger_that_is_not_installed_is_an_error_that_names_the_extra(output, monkeypatch):
    monkeypatch.setattr("pipeline.training.loggers.logger.find_spec", lambda name: None)
    for name in LOGGERS:
        with pytest.raises(LoggerMissing, match=rf"not installed; pip install -e '\.\[{name}\]'"):
            check_installed((name,))
    with pytest.raises(LoggerMissing), logging_to(("mlflow",), output, print):
        pass
