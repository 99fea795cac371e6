"""Stages through a real Slurm: the artifacts of a local run, cancelled, out of time, found again."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.toy_stages.project import Project, is_alive, wait_for

pytestmark = pytest.mark.slow  # jobs that wait to be started

PROBES = [f"{probe}:random-seed0" for probe in ("knn", "linear", "logistic")]
TASK = "pretrain:hssl-seed0"
# Threads as on the node, which gives one core: tables say how many there were.
SETTINGS = "\n[runtime]\nthreads = 1\n[executor.slurm]\npoll_seconds = 1\nwarning_seconds = 59\n"


class ClusterProject(Project):
    """A toy project whose stages are jobs of Slurm."""

    def configure(self, epochs: int = 3, name: str = "my", **top) -> None:
        super().configure(epochs, name, **top)
        with open(self.folder / f"{name}.toml", "a") as stream:
            stream.write(SETTINGS)

    def command(self, *arguments: str) -> list[str]:
        return [*super().command(*arguments), "executor=slurm"]

    def start(self, fault: str = "", tasks: tuple[str, ...] = (TASK,)) -> subprocess.Popen:
        """Start a pretraining, or others, and what it needs; return when the stage with the fault says so."""
        pids = Path(f"{self.runs}.pids")
        pids.unlink(missing_ok=True)
        self.runs.write_text("")
        process = subprocess.Popen(
            self.command("run", "-n", "4", "-P", "thread", *tasks, "experiment=my.toml"), cwd=self.folder,
            env=self.environment(fault), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if fault:
            wait_for(pids.is_file)
        return process

    @property
    def stage_pid(self) -> int:
        return int(Path(f"{self.runs}.pids").read_text().split()[0])

    @property
    def records(self) -> list[dict]:
        """Of the jobs that make pretrainings, or were refused, the latest last."""
        paths = (self.folder / "results/artifacts/pretrain").glob("*.slurm.json")
        return [json.loads(path.read_text()) for path in sorted(paths, key=lambda path: path.stat().st_mtime)]

    @property
    def record(self) -> dict:
        """Of the latest; those of an array whose element was cancelled stay."""
        return self.records[-1]

    @property
    def num_submitted(self) -> int:
        """Jobs and arrays so far."""
        return len([*(self.folder / "results" / "slurm").glob("*_submission.sh")])


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
    messages = doit.communicate(timeout=40)[0]
    assert doit.returncode != 0
    assert "was cancelled; its output is in" in messages
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
    messages = again.communicate(timeout=60)[0]
    assert again.returncode == 0, messages
    assert "it is requeued and goes on from its checkpoint" in messages
    assert project.runs.read_text().split() == [TASK]  # the second time, for doit began a new list
    assert (project.artifact("pretrain-hssl-seed0") / "checkpoint.txt").read_text() == "so far"


def test_a_time_limit_warns_requeues_and_goes_on_also_when_the_terminal_is_gone(project):
    project.configure(epochs=7)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write("[executor.slurm.stages.pretrain]\ntime_minutes = 1\n")
    doit = project.start("pretrain:wait-for-warning")
    printed = project.folder / "results" / "slurm" / f"{project.record['job_id']}.out"
    doit.send_signal(signal.SIGHUP)
    doit.communicate(timeout=100)
    assert doit.returncode == 128 + signal.SIGHUP
    doit = project.start()
    messages = doit.communicate(timeout=90)[0]
    assert doit.returncode == 0, messages
    # On a busy machine the job may be over before doit has started again.
    assert printed.read_text().count("it is requeued") == 1
    assert (project.artifact("pretrain-hssl-seed0") / "checkpoint.txt").read_text() == "so far"


def test_what_sbatch_refuses_is_told(project):
    project.configure(epochs=8)
    with open(project.folder / "my.toml", "a") as stream:
        stream.write('partition = "nowhere"\n')
    done = project.doit("run", TASK)
    assert done.returncode != 0
    assert "sbatch refused the job" in done.stdout
    assert "nowhere" in done.stdout or "partition" in done.stdout


def test_seeds_are_one_array_whose_elements_are_cancelled_and_run_again_one_by_one(project):
    project.configure(epochs=9, seeds=[0, 1, 2])
    tasks = tuple(f"pretrain:hssl-seed{seed}" for seed in range(3))
    doit = project.start("pretrain:wait-for-warning", tasks)

    def elements() -> list[dict]:
        return sorted((each for each in project.records if each["job_id"]), key=lambda each: each["job_id"])

    wait_for(lambda: len(elements()) == 3)
    records = elements()
    (name,), (array,) = (
        {each["name"] for each in records},
        {each["job_id"].split("_")[0] for each in records},
    )
    assert [each["job_id"] for each in records] == [f"{array}_{element}" for element in range(3)]
    asked = ["squeue", "--array", "--noheader", "--format=%i", f"--name={name}"]
    queued = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(queued) == [each["job_id"] for each in records]

    # doit is killed: all elements run on, and are found by the next run, which submits nothing.
    wait_for(lambda: sum(line.startswith("pretrain:") for line in project.runs.read_text().split()) == 3)
    doit.kill()
    doit.communicate()
    num_submitted = project.num_submitted
    again = project.start(tasks=tasks)
    messages = [again.stdout.readline() for _ in range(3)]
    while sum("is at work on it already" in line for line in messages) < 3:
        messages.append(again.stdout.readline())
        assert messages[-1], "".join(messages)
    # One is cancelled; the others finish. The next run makes that one alone.
    subprocess.run(["scancel", records[1]["job_id"]], check=True)
    for record in (records[0], records[2]):
        subprocess.run(["scancel", "--batch", "--signal=USR2", record["job_id"]], check=True)
    rest = again.communicate(timeout=90)[0]
    assert f"Slurm's job {records[1]['job_id']} was cancelled; the stage runs again" in rest, rest
    assert again.returncode == 0, rest
    assert project.num_submitted == num_submitted + 1
    assert all((project.artifact(f"pretrain-hssl-seed{seed}") / "stamp.json").is_file() for seed in range(3))
    logs = [project.folder / "results" / "slurm" / f"{each['job_id']}.out" for each in records]
    assert all(log.is_file() for log in logs)


def test_a_node_that_is_drained_is_waited_for(project):
    node = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
    project.configure(epochs=10)
    change = ["scontrol", "update", f"nodename={node}"]
    subprocess.run([*change, "state=drain", "reason=test"], check=True)
    try:
        doit = project.start()
        messages = []
        while not (messages and "pending" in messages[-1]):
            messages.append(doit.stdout.readline())
            assert messages[-1], "".join(messages)
    finally:
        subprocess.run([*change, "state=resume"], check=True)
    rest = doit.communicate(timeout=60)[0]
    assert doit.returncode == 0, rest


def test_a_controller_that_is_started_again_while_jobs_run_changes_nothing(project, slurm):
    project.configure(epochs=11)
    doit = project.start("pretrain:wait-for-warning")
    job = project.record["job_id"]
    controller = int((slurm / "slurmctld.pid").read_text())
    os.kill(controller, signal.SIGTERM)
    wait_for(lambda: not is_alive(controller))
    messages = []
    while not (messages and "is waited for; Slurm does not answer" in messages[-1]):
        messages.append(doit.stdout.readline())
        assert messages[-1], "".join(messages)
    subprocess.run(["slurmctld"], check=True)
    wait_for(lambda: subprocess.run(["squeue"], capture_output=True).returncode == 0)
    assert is_alive(project.stage_pid)
    subprocess.run(["scancel", "--batch", "--signal=USR2", job], check=True)
    rest = doit.communicate(timeout=90)[0]
    assert doit.returncode == 0, rest
    assert project.runs.read_text().split().count(TASK) == 2
