"""Stages through a real Slurm: the artifacts of a local run, cancelled, out of time, found again."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.toy_stages.project import Project, is_alive, wait_for

pytestmark = pytest.mark.slow  # jobs that wait to be started

PROBES = [f"{probe}:random-seed0" for probe in ("knn", "linear", "logistic")]
TASK = "pretrain:hssl-seed0"
SETTINGS = "\n[executor.slurm]\npoll_seconds = 1\nwarning_seconds = 59\n"


class ClusterProject(Project):
    """A toy project whose stages are jobs of Slurm."""

    def configure(self, epochs: int = 3, name: str = "my", **top) -> None:
        super().configure(epochs, name, **top)
        with open(self.folder / f"{name}.toml", "a") as stream:
            stream.write(SETTINGS)

    def command(self, *arguments: str) -> list[str]:
        return [*super().command(*arguments), "executor=slurm"]

    def start(self, fault: str = "") -> subprocess.Popen:
        """Start the pretraining and what it needs; return when the stage with the fault says so."""
        pids = Path(f"{self.runs}.pids")
        pids.unlink(missing_ok=True)
        self.runs.write_text("")
        process = subprocess.Popen(
            self.command("run", "-n", "2", "-P", "thread", TASK, "experiment=my.toml"), cwd=self.folder,
            env=self.environment(fault), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if fault:
            wait_for(pids.is_file)
        return process

    @property
    def stage_pid(self) -> int:
        return int(Path(f"{self.runs}.pids").read_text().split()[0])

    @property
    def record(self) -> dict:
        (path,) = (self.folder / "results/artifacts/pretrain").glob("*.slurm.json")
        return json.loads(path.read_text())


@pytest.fixture(scope="module")
def project(slurm, tmp_path_factory) -> ClusterProject:
    folder = tmp_path_factory.mktemp("cluster") / "project"
    folder.mkdir()
    project = ClusterProject(folder)
    project.write()
    return project


def results(project: Project) -> dict[str, bytes]:
    """Stage and name of every artifact -> what it made."""
    found = {}
    for stamp in (project.folder / "results/artifacts").glob("*/*/stamp.json"):
        values = json.loads(stamp.read_text())
        found[f"{values['stage']}:{values['name']}"] = values["fingerprint"], values["outputs"]
    return found


def test_the_whole_graph_makes_what_it_makes_here(project):
    project.configure(arms=["random"])
    ran = project.ran("run", "-n", "4", "-P", "thread", "all")
    others = ["duplicates:images", "prepare:images"]
    others += [f"{stage}:random-seed0" for stage in ("features", "initialize", "views")]
    assert sorted(ran) == sorted([*others, *PROBES])
    through_slurm, table = results(project), (project.folder / "results/my/table.json").read_bytes()
    (project.folder / "results").rename(project.folder / "through-slurm")
    here = Project(project.folder)
    assert sorted(here.ran()) == sorted(ran)
    assert results(here) == through_slurm
    assert (project.folder / "results/my/table.json").read_bytes() == table


def test_scancel_is_told_and_the_next_run_goes_on(project):
    project.configure(epochs=4)
    doit = project.start("pretrain:hang")
    subprocess.run(["scancel", project.record["job_id"]], check=True)
    said = doit.communicate(timeout=40)[0]
    assert doit.returncode != 0
    assert "was cancelled; its output is in" in said
    assert not is_alive(project.stage_pid)
    assert project.ran("run", TASK) == [TASK]


def test_ctrl_c_cancels_the_job(project):
    project.configure(epochs=5)
    doit = project.start("pretrain:hang")
    job = project.record["job_id"]
    doit.send_signal(signal.SIGINT)
    assert f"cancelled Slurm's job {job}" in doit.communicate(timeout=100)[0]
    wait_for(lambda: not is_alive(project.stage_pid))
    assert project.ran("run", TASK) == [TASK]


def test_a_job_that_outlived_doit_is_found_and_not_submitted_again(project):
    project.configure(epochs=6)
    doit = project.start("pretrain:wait-for-warning")
    job = project.record["job_id"]
    doit.kill()
    doit.communicate()
    assert is_alive(project.stage_pid)
    again = project.start()
    wait_for(lambda: "is at work on it already" in again.stdout.readline())
    # Its time is nearly over: it saves, is requeued and finishes.
    subprocess.run(["scancel", "--batch", "--signal=USR2", job], check=True)
    said = again.communicate(timeout=60)[0]
    assert again.returncode == 0, said
    assert "it is requeued and goes on from its checkpoint" in said
    assert project.runs.read_text().split() == [TASK]  # the second time, for doit began a new list
    assert (project.artifact("pretrain-hssl-seed0") / "checkpoint.txt").read_text() == "so far"


def test_a_time_limit_warns_requeues_and_goes_on_also_when_the_terminal_is_gone(project):
    project.configure(epochs=7)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write("[executor.slurm.stages.pretrain]\ntime_minutes = 1\n")
    doit = project.start("pretrain:wait-for-warning")
    doit.send_signal(signal.SIGHUP)
    doit.communicate(timeout=100)
    assert doit.returncode == 128 + signal.SIGHUP
    doit = project.start()
    said = doit.communicate(timeout=90)[0]
    assert doit.returncode == 0, said
    assert said.count("it is requeued") == 1
    assert (project.artifact("pretrain-hssl-seed0") / "checkpoint.txt").read_text() == "so far"


def test_what_sbatch_refuses_is_told(project):
    project.configure(epochs=8)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write('partition = "nowhere"\n')
    done = project.doit("run", TASK)
    assert done.returncode != 0
    assert "sbatch refused the job" in done.stdout
    assert "nowhere" in done.stdout or "partition" in done.stdout
