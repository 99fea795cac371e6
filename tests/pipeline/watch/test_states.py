import json
import os
import time

import pytest

from pipeline.config.experiment import Experiment
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import program
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.plan import plan
from pipeline.storage.artifacts import LIVE, LOG, locked
from pipeline.watch import states
from pipeline.watch.losses import loss_curves
from pipeline.watch.states import DONE, RUNNING, STOPPED, WAITING, stage_states


@pytest.fixture
def graph(tmp_path, monkeypatch) -> Graph:
    """Only `prepare` is made; nothing else is expected to take any time."""
    nodes = experiment_nodes(Experiment.model_validate({"name": "e"}))
    (tmp_path / "stages").mkdir()
    for node in nodes:
        (tmp_path / "stages" / f"{program(node.stage)}.py").write_text("")
    forecast_to_take(monkeypatch, {})
    made = Graph(nodes, tmp_path / "results", code=CodeDigests(tmp_path), listing=lambda config: "listing")
    stamp(made, nodes[0])
    return made


def forecast_to_take(monkeypatch, seconds):
    """Let the plan forecast these seconds, by label, and nothing else."""

    class Forecasts:
        def seconds(self, node):
            return seconds.get(node.label)

    monkeypatch.setattr(
        states, "plan", lambda graph, nodes, at_once: plan(graph, nodes, lambda graph: Forecasts())
    )


def stamp(graph, node, seconds=12.5):
    directory = graph.directory(node)
    directory.mkdir(parents=True)
    values = {
        "fingerprint": graph.fingerprint(node),
        "outputs": {},
        "content": "same",
        "seconds": seconds,
        "started": "2026-01-01",
    }
    (directory / "stamp.json").write_text(json.dumps(values))


def begin(graph, node, *, seconds_ago=0.0):
    directory = graph.directory(node)
    directory.mkdir(parents=True)
    (directory / "job.json").write_text("{}")
    then = time.time() - seconds_ago
    os.utime(directory / "job.json", (then, then))
    return directory


def named(graph, label):
    return next(node for node in graph.nodes if node.label == label)


def state_of(graph, label):
    return {state.label: state for state in stage_states(graph, graph.nodes)}[label]


def test_a_stage_is_done_by_its_stamp_and_waits_without_one(graph):
    assert state_of(graph, "prepare:images").state == DONE
    assert state_of(graph, "prepare:images").seconds == 12.5
    assert state_of(graph, "tables").state == WAITING
    assert state_of(graph, "tables").remaining_seconds is None


def test_a_stage_runs_while_its_lock_is_held_and_the_bar_says_how_far_it_is(graph):
    directory = begin(graph, named(graph, "pretrain:hssl-seed0"), seconds_ago=30)
    (directory / LIVE).write_text("pretrain:  25%|##  | 100/400 [00:30<01:30]")
    with locked(directory):
        state = state_of(graph, "pretrain:hssl-seed0")
    assert state.state == RUNNING
    assert state.seconds == pytest.approx(30, abs=5)
    assert state.remaining_seconds == pytest.approx(90, abs=15)  # three times as much is left
    assert "100/400" in state.bar


def test_before_the_first_percent_earlier_runs_say_how_long(graph, monkeypatch):
    node = named(graph, "pretrain:hssl-seed0")
    directory = begin(graph, node, seconds_ago=30)

    forecast_to_take(monkeypatch, {node.label: 100.0})
    with locked(directory):
        found = stage_states(graph, graph.nodes)
    assert sum(state.remaining_seconds or 0 for state in found) == pytest.approx(70, abs=5)


def test_a_stage_that_ended_without_a_stamp_says_its_last_words(graph):
    directory = begin(graph, named(graph, "pretrain:hssl-seed0"))
    (directory / LOG).write_text("step 7: the teacher has collapsed\n\nnon-finite loss at step 9\n\n")
    state = state_of(graph, "pretrain:hssl-seed0")
    assert state.state == STOPPED
    assert state.notes == (
        "step 7: the teacher has collapsed", f"non-finite loss at step 9 (see {directory / LOG})"
    )  # fmt: skip


def test_losses_come_from_the_log_of_a_training(graph):
    node = named(graph, "pretrain:hssl-seed0")
    directory = begin(graph, node)
    lines = [{"step": 1, "loss": 6.5}, {"step": 50, "loss": 5.0}]
    (directory / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"st')
    (course,) = loss_curves(graph, graph.nodes)
    assert (course.label, course.step, course.values) == (node.label, 50, [6.5, 5.0])
