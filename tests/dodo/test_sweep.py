"""`doit run sweep`: real doit, real processes, toy trainings."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.config.reading import read_experiment
from tests.toy_stages.project import wait_for

# The toy stages prepare no images, so their tables cannot be compared.
COMPARE = """
import sys
from pathlib import Path
options = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
Path(options["out"]).write_text(options["experiments"] + " by " + options["by"])
"""
GRID = """
[sweep.grid]
schedule.epochs = [3, 5]
"""
NAMES = ["epochs-3", "epochs-5"]


@pytest.fixture
def swept(project):
    """A finished project whose experiment has a sweep."""
    (project.folder / "stages" / "compare.py").write_text(COMPARE)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write(GRID)
    return project


@pytest.mark.slow
def test_trials_share_what_is_equal_and_are_set_beside_each_other(swept):
    results = swept.folder / "results"
    assert swept.ran() == []  # a sweep is no part of the experiment itself
    assert "nothing to do" in swept.doit("run", "plan").stdout
    plan = swept.doit("run", "plan", "of=sweep").stdout
    assert "trials:epochs-5:pretrain:hssl-seed0" in plan
    assert "trials:epochs-3:pretrain:hssl-seed0" not in plan  # the experiment's own
    ran = swept.ran("run", "sweep")
    # The first trial is what has been trained; `random` is the same in all.
    assert ran.count("pretrain:hssl-seed0") == 1
    assert "initialize:random-seed0" not in ran
    assert "prepare:images" not in ran
    compared = (results / "my" / "sweep.html").read_text()
    assert compared == f"{','.join(f'my-{name}' for name in NAMES)} by config"
    for name in NAMES:
        assert (results / f"my-{name}" / "table.json").is_file()
        trial = read_experiment(str(results / "my" / "trials" / f"{name}.toml"))
        assert f"epochs-{trial.schedule.epochs:g}" == name
    assert swept.ran("run", "sweep") == []
    assert swept.ran("run", "all", experiment=f"results/my/trials/{NAMES[1]}.toml") == []
    # What a trial made belongs to it, and stays.
    swept.doit("run", "gc", "delete=yes")
    assert swept.ran("run", "sweep") == []


@pytest.mark.slow
def test_another_value_trains_its_trials_alone(swept):
    swept.ran("run", "sweep")
    text = (swept.folder / "my.toml").read_text()
    (swept.folder / "my.toml").write_text(text.replace("[3, 5]", "[3, 5, 6]"))
    ran = swept.ran("run", "sweep")
    assert ran.count("pretrain:hssl-seed0") == 1
    settings = json.loads((swept.folder / "results" / f"my-{NAMES[1]}" / "experiment.json").read_text())
    assert settings["experiment"]["schedule"]["epochs"] == 5


def test_a_wrong_trial_is_refused_before_anything_runs(swept):
    text = (swept.folder / "my.toml").read_text()
    (swept.folder / "my.toml").write_text(text.replace("schedule.epochs", "schedule.epoch"))
    done = swept.doit("run", "sweep")
    assert done.returncode != 0
    assert "trial epoch-3 of the sweep:" in done.stderr
    assert "schedule.epoch: unknown key; did you mean 'epochs'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trial_with_a_format_that_there_is_not_is_refused_at_once(swept):
    text = (swept.folder / "my.toml").read_text()
    formats = 'data.format = ["tar", "auto"]'
    (swept.folder / "my.toml").write_text(text.replace("schedule.epochs = [3, 5]", formats))
    done = swept.doit("run", "sweep")
    assert done.returncode != 0
    assert "trial format-tar of the sweep:" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_section_sweep_fails_for_there_is_nothing_to_sweep(project):
    done = project.doit("run", "sweep")
    assert done.returncode == 1
    assert "sweep is no part of my: the experiment has no section for it" in done.stdout
    planned = project.doit("run", "plan", "of=sweep")
    assert planned.returncode == 1
    assert "sweep is no part of my" in planned.stdout


SEARCH = """
[sweep]
sampler = "optuna"
objective = { task = "knn", arm = "hssl" }
[sweep.random]
num_trials = 3
seed = 1
values.schedule.epochs = { low = 2, high = 9 }
"""


@pytest.mark.slow
def test_a_search_chooses_trials_one_after_another_and_goes_on_where_it_ended(project):
    pytest.importorskip("optuna", reason="no Optuna: pip install -e '.[optuna]'")
    (project.folder / "stages" / "compare.py").write_text(COMPARE)
    settings = (project.folder / "my.toml").read_text()
    (project.folder / "my.toml").write_text(settings + SEARCH.replace("= 3", "= 2"))
    done = project.doit("run", "sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    results = project.folder / "results"
    two = json.loads((results / "my" / "search.json").read_text())["trials"]
    (project.folder / "my.toml").write_text(settings + SEARCH)
    done = project.doit("run", "-n", "2", "-P", "thread", "sweep")
    assert done.returncode == 0, done.stdout + done.stderr
    three = json.loads((results / "my" / "search.json").read_text())["trials"]
    assert three[:2] == two
    names = list(dict.fromkeys(trial["name"] for trial in three))
    compared = ",".join(f"my-{name}" for name in names)
    assert (results / "my" / "sweep.html").read_text() == f"{compared} by config"
    assert (results / "my" / "search.md").read_text() in done.stdout
    for trial in three:
        rows = json.loads((results / f"my-{trial['name']}" / "table.json").read_text())
        assert trial["result"] in [row["value"] for row in rows if row["arm"] == "hssl"]
    assert project.ran("run", "sweep") == []
    # From nothing, with the same seed: the same trials.
    (results / "my" / "search.json").unlink()
    assert project.ran("run", "sweep") == []
    assert json.loads((results / "my" / "search.json").read_text())["trials"] == three


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_without_a_trial_lost_or_doubled(project):
    pytest.importorskip("optuna", reason="no Optuna: pip install -e '.[optuna]'")
    (project.folder / "stages" / "compare.py").write_text(COMPARE)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write(SEARCH.replace("= 3", "= 4"))
    record = project.folder / "results" / "my" / "search.json"

    def num_trials() -> int:
        return len(json.loads(record.read_text())["trials"]) if record.is_file() else 0

    def killed_when(condition, fault: str = "") -> None:
        pids = Path(f"{project.runs}.pids")
        pids.unlink(missing_ok=True)
        command = project.command("run", "sweep", "experiment=my.toml")
        with open(project.errors, "w") as output:
            process = subprocess.Popen(
                command, cwd=project.folder, env=project.environment(fault), stdout=output, stderr=output
            )
        wait_for(lambda: condition() or process.poll() is not None, 100)
        assert process.poll() is None, project.errors.read_text()
        process.kill()
        process.wait()

    project.runs.write_text("")
    killed_when(lambda: num_trials() == 1)  # between two trials
    killed_when(Path(f"{project.runs}.pids").is_file, "pretrain:hang")  # in the second
    killed_when(lambda: num_trials() == 2)
    assert project.doit("run", "sweep").returncode == 0
    interrupted = json.loads(record.read_text())["trials"]
    trained = project.runs.read_text().split().count("pretrain:hssl-seed0")
    names = {trial["name"] for trial in interrupted}
    # One that was killed while it trained trains again; no other does.
    assert len(names) <= trained <= len(names) + 3

    (project.folder / "results").rename(project.folder / "interrupted")
    assert project.doit("run", "sweep").returncode == 0
    assert json.loads(record.read_text())["trials"] == interrupted
    assert len(interrupted) == 4
    assert all(trial["result"] is not None for trial in interrupted)


def test_a_search_over_a_key_that_there_is_not_is_refused_before_anything_runs(project):
    pytest.importorskip("optuna", reason="no Optuna: pip install -e '.[optuna]'")
    with open(project.folder / "my.toml", "a") as stream:
        stream.write(SEARCH.replace("epochs =", "epoch ="))
    done = project.doit("run", "sweep")
    assert done.returncode != 0
    assert "trial epoch-2 of the sweep:" in done.stderr
    assert "schedule.epoch: unknown key; did you mean 'epochs'" in done.stderr


@pytest.mark.parametrize("sampler", ["", 'sampler = "optuna"\nobjective = { task = "knn", arm = "hssl" }\n'])
def test_what_the_checks_refuse_of_one_trial_stops_every_stage_also_where_several_run_at_once(
    project, sampler
):
    if sampler:
        pytest.importorskip("optuna", reason="no Optuna: pip install -e '.[optuna]'")
    (project.folder / "hosts.txt").write_text("node-a slots=0\n")
    with open(project.folder / "my.toml", "a") as stream:
        stream.write('\n[runtime]\ndevices = 2\ndevice = "cpu"\n')
        stream.write(f"[sweep]\n{sampler}[sweep.random]\nnum_trials = 4\nseed = 0\n")
        # The first runs on two hosts, the other alone.
        stream.write('[sweep.random.values]\nruntime.hosts = ["", "hosts.txt"]\nschedule.epochs = [5, 6]\n')
    project.runs.write_text("")
    done = project.doit("run", "-n", "4", "-P", "thread", "sweep")
    assert done.returncode != 0
    assert "hosts.txt, line 1: expected slots of 1 or more, found '0'" in done.stdout + done.stderr
    assert "of the sweep:" in done.stdout + done.stderr
    assert project.runs.read_text() == ""
