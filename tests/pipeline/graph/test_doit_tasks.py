from pathlib import Path

import pytest
from doit.exceptions import TaskFailed
from doit.loader import generate_tasks

from pipeline.graph.doit_tasks import failing, refused_in_one_line, stage_tasks
from pipeline.graph.experiment_graph import ExperimentGraph, read_argument

ROOT = Path(__file__).resolve().parents[3]
EVALUATE = """
[[evaluate]]
name = "streets"
data = { source = "s" }
tasks = ["segment"]
"""


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "my.toml").write_text(f'extends = "smoke"\n{EVALUATE}')
    argument, experiment = read_argument("my.toml", tmp_path)
    return ExperimentGraph(argument, experiment, root=ROOT, results=tmp_path)


def test_all_nodes_become_tasks_of_doit_that_wait_for_what_they_read(graph):
    tasks = {task.name: task for task in generate_tasks("stages", stage_tasks(graph, ["_checks"]))}
    assert {node.label for node in graph.graph.nodes} <= tasks.keys()
    for node in graph.main:
        upstream = {each.label for each in node.upstream.values()}
        assert set(tasks[node.label].task_dep) == {"_checks"} | upstream
    assert "no part of this experiment" in tasks["ablate"].doc


def test_a_stage_that_is_no_part_of_the_experiment_fails_and_says_so(graph):
    tasks = {task["basename"]: task for task in stage_tasks(graph, first=[])}
    (act,) = tasks["ablate"]["actions"]
    assert "ablate is no part of my: the experiment has no section for it" in act().get_msg()


def test_an_action_fails_with_the_message_alone_where_a_file_is_at_fault():
    def act():
        raise OSError("no space")

    failed = refused_in_one_line(act)()
    assert isinstance(failed, TaskFailed)
    assert failed.get_msg().strip() == "no space"

    def missing():
        raise FileNotFoundError(2, "No such file or directory", "my.toml")

    assert refused_in_one_line(missing)().get_msg().strip() == "my.toml: No such file or directory"
    assert refused_in_one_line(lambda: None)() is None
    with pytest.raises(KeyError):  # a fault of ours keeps its traceback
        refused_in_one_line(lambda: {}["absent"])()


def test_problems_are_a_failure_of_a_line_each():
    assert failing([]) is None
    assert failing(["one", "two"]).get_msg().split() == ["one", "two"]
