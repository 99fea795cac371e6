import re
from types import SimpleNamespace

import pytest

import pipeline.graph.problems
from pipeline.graph import command_tasks
from pipeline.graph.command_tasks import asks_for_the_missing, checks_task, refuse_unknown_task
from pipeline.graph.subprocesses import run_stage

LABELS = ["prepare", "pretrain:hssl-seed0", "knn:hssl-seed0"]
TASKS = ["all", "plan", "trials"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "pretrian"], "pretrian: no such command or stage; did you mean pretrain?"),
        (["run", "-n", "2", "knnn", "experiment=my.toml"], "knnn: no such .*; did you mean knn?"),
        (["run", "pretrain:hssl-sed0"], "did you mean pretrain:hssl-seed0?"),
        (
            ["experiment=my.toml", "knnn"],
            "knnn: no such .*; did you mean knn?",
        ),  # `run` is optional
        (["run", "all", "zzzz"], "zzzz: no such command or stage; `doit list --all` shows what there is"),
    ],
)
def test_a_misspelt_name_is_one_line_with_the_one_meant(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        refuse_unknown_task(arguments, LABELS, TASKS)
    assert ended.value.code == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message.replace("?", r"\?"), line)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["list", "anything"],  # doit's own commands look at their arguments themselves
        ["run"],
        ["run", "-n", "16", "-P", "thread", "all", "executor=slurm"],
        ["run", "knn", "pretrain:hssl-seed0", "knn:*"],
        ["run", "trials:a:knn"],
        ["run", "--no-such-option"],
    ],
)
def test_what_there_is_passes_and_what_doit_refuses_itself_is_left_to_it(arguments):
    refuse_unknown_task(arguments, LABELS, TASKS)


@pytest.mark.parametrize(
    ("arguments", "asks"),
    [
        ([], True), (["run"], True), (["run", "-n", "2", "all", "experiment=e"], True),
        (["run", "-a"], False), (["run", "all", "--always-execute"], False), (["run", "all", "sweep"], False),
        (["run", "knn"], False), (["list"], False), (["run", "--no-such-option"], False),
    ],
)  # fmt: skip
def test_the_missing_are_asked_for_by_all_alone_and_unforced(arguments, asks):
    assert asks_for_the_missing(arguments) is asks


class Stage:
    """Stands for a node."""

    def __init__(self, name, **upstream):
        self.name, self.upstream = name, upstream


PREPARE = Stage("prepare")
PRETRAIN = Stage("pretrain", data=PREPARE)
ANCHOR = Stage("anchor")


@pytest.mark.parametrize(
    ("arguments", "executor", "problems", "expected"),
    [
        (["run"], run_stage, [], {PREPARE, PRETRAIN}),
        (["run", "all"], run_stage, [], {PREPARE, PRETRAIN}),
        (["run", "prepare"], run_stage, [], {PREPARE}),
        (["run", "pretrain", "experiment=e"], run_stage, [], {PREPARE, PRETRAIN}),
        (["run", "anchors"], run_stage, [], set()),  # it is not said what these need
        (["run"], run_stage, ["too little memory"], None),
        (["run"], lambda stage: None, [], None),  # stages run elsewhere
    ],
)
def test_the_core_is_compiled_for_what_will_run_here(
    arguments, executor, problems, expected, monkeypatch, tmp_path
):
    asked = []
    monkeypatch.setattr(
        command_tasks, "compile_if_needed", lambda graph, nodes, root, show: asked.append((nodes, root))
    )
    monkeypatch.setattr(pipeline.graph.problems, "problems_of", lambda *given: problems)
    monkeypatch.setattr(pipeline.graph.problems, "shortages_of", lambda *given: problems)
    project = SimpleNamespace(
        main=[PREPARE, PRETRAIN],
        graph=SimpleNamespace(fault=lambda node: "has not run"),
        other_owner=lambda: None,
        nodes_named=lambda name: [each for each in (PREPARE, PRETRAIN, ANCHOR) if each.name == name],
    )
    (act,) = checks_task(project, executor, arguments, root=tmp_path)["actions"]
    assert (act() is None) is not bool(problems)
    assert asked == ([] if expected is None else [(expected, tmp_path)])
