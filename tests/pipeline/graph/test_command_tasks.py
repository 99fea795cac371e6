import re

import pytest

from pipeline.graph.command_tasks import asks_for_the_missing, refuse_unknown_task

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
