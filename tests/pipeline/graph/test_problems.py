from pathlib import Path

import pytest

from pipeline.graph.experiment_graph import ExperimentGraph, read_argument
from pipeline.graph.problems import problems_of, problems_of_trials
from pipeline.graph.subprocesses import run_stage
from pipeline.graph.sweep import Sweep

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def swept(tmp_path):
    """swept(text): the graph of an experiment that extends `smoke` by the text, and its sweep."""

    def read(text: str) -> tuple[ExperimentGraph, Sweep]:
        (tmp_path / "my.toml").write_text(f'extends = "smoke"\n{text}')
        argument, experiment = read_argument("my.toml", tmp_path)
        graph = ExperimentGraph(argument, experiment, root=ROOT, results=tmp_path / "results")
        return graph, Sweep(graph, root=ROOT, results=tmp_path / "results", executor=run_stage)

    return read


GRID = '[sweep.grid]\ndata.source = ["photo-scenes", "absent"]\nschedule.epochs = [1, 2]'
SEARCH = """
[sweep]
sampler = "optuna"
objective = { task = "knn", arm = "hssl" }
random = { num_trials = 4, values = { data.source = ["photo-scenes", "photo-scenes", "absent"] } }
"""


@pytest.mark.parametrize("sweep", [GRID, SEARCH])
def test_data_that_one_trial_asks_for_are_looked_for_before_any_runs(swept, sweep, tmp_path):
    graph, trials = swept(sweep)
    assert problems_of(graph, run_stage) == []  # of the experiment itself
    problems = problems_of_trials(graph.experiment, trials.checked, run_stage)
    assert len(problems) == 1, problems
    assert problems[0].startswith("trial source-absent")
    assert f"{tmp_path / 'absent'} does not exist. Remedy: put the data there" in problems[0]


def test_a_trial_with_another_device_is_asked_about_it(swept, monkeypatch):
    monkeypatch.setattr("pipeline.runtime.cuda.checks.installed_driver", lambda: None)
    graph, trials = swept('[sweep.grid]\nruntime.device = ["cpu", "cuda"]')
    problems = problems_of_trials(graph.experiment, trials.checked, run_stage)
    assert [problem.partition(" of the sweep: ")[0] for problem in problems] == ["trial device-cuda"]


def test_trials_that_ask_for_nothing_else_have_no_problem(swept):
    graph, trials = swept("[sweep.grid]\nschedule.epochs = [1, 2]")
    assert problems_of_trials(graph.experiment, trials.checked, run_stage) == []
