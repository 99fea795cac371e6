"""A real pretraining through a real Slurm that is disturbed, and ends with the weights of one that is not.

Where something has to happen while it trains, it is stopped meanwhile, however fast this machine is.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.training.metrics_log import read_metrics
from tests.cluster.real_project import (
    FEW_IMAGES,
    LIMIT_SECONDS,
    artifacts,
    copy_project,
    job_of_pretraining,
    num_logged,
    ran,
    started,
)
from tests.toy_stages.project import is_alive, wait_for

pytestmark = pytest.mark.slow

TASK = "pretrain:hssl-seed0"
NUM_STEPS = 48
# Threads as on the node, which gives one core. Warned half an hour before its end, a job has time to save.
SETTINGS = (
    FEW_IMAGES
    + """epochs = 12
batch_size = 16
[runtime]
threads = 1
log_every_steps = 1
checkpoint_every_minutes = 0.005
[executor.slurm]
poll_seconds = 1
time_minutes = 60
warning_seconds = 1800
"""
)
HERE, THERE = (TASK, "experiment=my.toml"), (TASK, "experiment=my.toml", "executor=slurm")
_WARNING_BIT = 1 << (signal.SIGUSR2 - 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The project after a pretraining on this machine."""
    folder = tmp_path_factory.mktemp("undisturbed")
    copy_project(folder)
    (folder / "my.toml").write_text(SETTINGS)
    ran(folder, *HERE)
    return folder


@pytest.fixture
def project(slurm, undisturbed, tmp_path) -> Path:
    """The same before the pretraining; its images are prepared."""
    folder = tmp_path / "project"
    shutil.copytree(undisturbed, folder, symlinks=True)
    shutil.rmtree(folder / "results/artifacts/pretrain")
    assert not num_logged(folder)
    return folder


def check_as_undisturbed(project: Path, undisturbed: Path) -> None:
    assert artifacts(project)[TASK] == artifacts(undisturbed)[TASK]
    (log,) = (project / "results/artifacts/pretrain").glob("*/metrics.jsonl")
    assert [line["step"] for line in read_metrics(log)] == list(range(1, NUM_STEPS + 1))


def stage_of(project: Path) -> int:
    """The process that trains; its parent is the job."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words_of_parent = Path(f"/proc/{parent}/cmdline").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        ours = any(word.startswith(str(project)) for word in words)
        if ours and "stages.on_node" in words_of_parent and "stages.on_node" not in words:
            found.append(int(folder.name))
    (stage,) = found
    return stage


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """Meanwhile the process stands still."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def has_trained(project: Path) -> bool:
    """Whether it is under way, and a checkpoint is there."""
    checkpoints = [*(project / "results/artifacts/pretrain").glob("*/checkpoint.safetensors")]
    return num_logged(project) > 3 and bool(checkpoints)


def started_and_trains(project: Path) -> subprocess.Popen:
    doit = started(project, *THERE)
    wait_for(lambda: has_trained(project) or doit.poll() is not None, LIMIT_SECONDS)
    assert doit.poll() is None, doit.communicate()[0]
    return doit


def read_until(doit: subprocess.Popen, words: str) -> str:
    """The output up to a line with these words."""
    printed = ""
    for line in doit.stdout:
        printed += line
        if words in line:
            return printed
    raise AssertionError(f"not said: {words}\n{printed}")


def finished(doit: subprocess.Popen) -> str:
    printed = doit.communicate(timeout=LIMIT_SECONDS)[0]
    assert doit.returncode == 0, printed
    return printed


def num_jobs(project: Path) -> int:
    return len([*(project / "results/slurm").glob("*_submission.sh")])


def test_of_a_submitter_that_was_killed_the_job_is_found_again(project, undisturbed):
    doit = started_and_trains(project)
    with stopped(stage_of(project)):
        doit.kill()
        doit.communicate()
        again = started(project, *THERE)
        read_until(again, "is at work on it already")
    finished(again)
    assert num_jobs(project) == 1
    check_as_undisturbed(project, undisturbed)


def test_after_scancel_the_next_run_goes_on_from_the_checkpoint(project, undisturbed):
    doit = started_and_trains(project)
    stage, job = stage_of(project), job_of_pretraining(project)
    subprocess.run(["scancel", job], check=True)
    printed = doit.communicate(timeout=LIMIT_SECONDS)[0]
    assert doit.returncode != 0
    assert [line for line in printed.splitlines() if f"Slurm's job {job} was cancelled" in line]
    assert "Traceback" not in printed
    wait_for(lambda: not is_alive(stage), LIMIT_SECONDS)
    (log,) = (project / "results/artifacts/pretrain").glob("*/metrics.jsonl")
    before = read_metrics(log)
    assert len(before) < NUM_STEPS
    ran(project, *THERE)
    # Its speed, which never comes twice, is in every line: step 1 was not trained again.
    assert read_metrics(log)[0] == before[0]
    check_as_undisturbed(project, undisturbed)


def test_a_job_waits_for_a_drained_node_and_outlives_the_controller(project, slurm, undisturbed):
    node = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
    change = ["scontrol", "update", f"nodename={node}"]
    subprocess.run([*change, "state=drain", "reason=test"], check=True)
    try:
        doit = started(project, *THERE)
        read_until(doit, "pending")
    finally:
        subprocess.run([*change, "state=resume"], check=True)
    wait_for(lambda: has_trained(project), LIMIT_SECONDS)
    with stopped(stage_of(project)):
        controller = int((slurm / "slurmctld.pid").read_text())
        os.kill(controller, signal.SIGTERM)
        wait_for(lambda: not is_alive(controller), LIMIT_SECONDS)
        read_until(doit, "is waited for; Slurm does not answer")
        subprocess.run(["slurmctld"], check=True)
        wait_for(lambda: subprocess.run(["squeue"], capture_output=True).returncode == 0, LIMIT_SECONDS)
    finished(doit)
    assert num_jobs(project) == 1
    check_as_undisturbed(project, undisturbed)


def test_at_its_time_limit_a_job_saves_is_requeued_and_goes_on(project, undisturbed):
    doit = started_and_trains(project)
    stage, job = stage_of(project), job_of_pretraining(project)
    with stopped(stage):
        # Slurm itself warns: it takes its time for that, at most a minute.
        subprocess.run(["scontrol", "update", f"jobid={job}", "timelimit=29"], check=True)
        wait_for(lambda: is_pending(stage, _WARNING_BIT), LIMIT_SECONDS)
    read_until(doit, "it is requeued and goes on from its checkpoint")
    subprocess.run(["scontrol", "update", f"jobid={job}", "timelimit=60"], check=True)
    finished(doit)
    assert num_jobs(project) == 1
    check_as_undisturbed(project, undisturbed)


def is_pending(process: int, bit: int) -> bool:
    """Whether a process that is stopped was sent a signal."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask & bit for mask in masks)
