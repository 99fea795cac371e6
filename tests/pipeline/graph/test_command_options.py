import os

import pytest

from pipeline.config.reading import read_experiment
from pipeline.graph.command_options import refuse_unknown, stages_at_once


def test_options_of_commands_pass_and_so_do_doits_own():
    refuse_unknown(["run", "init", "data=photos", "hours=2"])
    refuse_unknown(["run", "-n", "2", "plan", "of=search"])
    refuse_unknown(["run", "-n", "2", "--db-file=x", "all", "experiment=my.toml", "-f", "a=b/dodo.py"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("experment=my.toml", "experment=: no such option; did you mean experiment=?"),
        ("fromat=onnx", "fromat=: no such option; did you mean format=?"),
        ("x=1", "x=: no such option; there are arm, by, data"),
        ("hours=2", "hours=: an option of `doit run init` alone"),
        ("results=x", "results=: an option of `doit run benchmark` alone"),
    ],
)
def test_a_misspelt_option_is_refused(argument, message):
    with pytest.raises(SystemExit) as refused:
        refuse_unknown(["run", "all", argument])
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "all"], 1),
        (["run", "-n", "3", "-P", "thread", "all"], 3),
        (["run", "-n4", "all"], 4),
        (["run", "--process=2", "all"], 2),
        (["run", "--process", "5", "all"], 5),
        (["run", "-n", "0", "all"], 1),
        (["run", "-n", "many", "all"], 1),  # doit refuses it
    ],
)
def test_how_many_stages_doit_runs_at_once(arguments, expected):
    assert stages_at_once(arguments, read_experiment("cifar10")) == expected


def test_a_number_below_0_is_refused_for_doit_would_run_nothing():
    with pytest.raises(ValueError, match="-n -3: expected how many stages may run at once"):
        stages_at_once(["run", "-n", "-3", "all"], read_experiment("cifar10"))


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 2), (64, 3)])
def test_an_experiment_may_say_how_many(monkeypatch, cores, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    experiment = read_experiment("cifar10")
    local = experiment.executor.local.model_copy(update={"stages_at_once": 3})
    executor = experiment.executor.model_copy(update={"local": local})
    experiment = experiment.model_copy(update={"executor": executor})
    assert stages_at_once(["run", "all"], experiment) == expected
    assert stages_at_once(["run", "-n", "7", "all"], experiment) == 7
    assert stages_at_once(["run", "all"], experiment, "slurm") == 1
