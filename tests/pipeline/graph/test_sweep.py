from pathlib import Path

from pipeline.graph.experiment_graph import ExperimentGraph, read_argument
from pipeline.graph.subprocesses import run_stage
from pipeline.graph.sweep import Sweep
from pipeline.graph.sweep_tasks import sweep_task, trial_tasks

ROOT = Path(__file__).resolve().parents[3]
SEARCH = """
[sweep]
sampler = "optuna"
objective = { task = "knn", arm = "hssl" }
[sweep.random]
num_trials = 4
values = { data.val_share = [0.1, 0.2, 0.3], schedule.epochs = { low = 1, high = 4 } }
"""


def sweep_of(text, tmp_path):
    (tmp_path / "my.toml").write_text(f'extends = "smoke"\n{text}')
    argument, experiment = read_argument("my.toml", tmp_path)
    graph = ExperimentGraph(argument, experiment, root=ROOT, results=tmp_path)
    return Sweep(graph, root=ROOT, results=tmp_path, executor=run_stage)


def awaited(sweep, tmp_path):
    task = sweep_task(sweep, at_once=1, place="local", root=ROOT, folder=tmp_path)
    return [name.split(":") for name in task["task_dep"] if name.startswith("trials:")]


def test_all_trials_read_their_data_before_one_trains(tmp_path):
    sweep = sweep_of("[sweep.grid]\nschedule.epochs = [1, 2]\n", tmp_path)
    stages = [parts[2] for parts in awaited(sweep, tmp_path)]
    first = stages.index(next(stage for stage in stages if stage != "prepare"))
    assert stages[:first].count("prepare") == stages.count("prepare") >= 2
    assert {task["name"] for task in trial_tasks(sweep)} == {
        ":".join(parts[1:]) for parts in awaited(sweep, tmp_path)
    }


def test_a_search_over_data_prepares_every_choice_first_and_another_nothing(tmp_path):
    tasks = awaited(sweep_of(SEARCH, tmp_path), tmp_path)
    assert {parts[2] for parts in tasks} == {"prepare"}
    assert len({parts[1] for parts in tasks}) == 2  # the first is the experiment's own
    without = SEARCH.replace("data.val_share = [0.1, 0.2, 0.3], ", "")
    assert awaited(sweep_of(without, tmp_path), tmp_path) == []
