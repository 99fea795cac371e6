"""Kills, failures and runs at once."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.toy_stages.project import is_alive, wait_for


@pytest.mark.slow
def test_an_interrupted_other_configuration_leaves_the_first_as_it_was(project):
    project.configure(epochs=5)
    assert project.doit("run", "all", fault="pretrain:fail").returncode != 0
    project.configure(epochs=3)
    assert project.ran() == []
    project.configure(epochs=5)
    assert len(project.ran()) == 7  # half an output never counts as one


@pytest.mark.slow
def test_sigkill_keeps_what_was_done_and_leaves_no_orphan(project):
    table = (project.folder / "results/my/table.json").read_bytes()
    shutil.rmtree(project.folder / "results")
    process, pids = project.start_and_hang("knn")
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, pids)))
    ran = project.ran()
    assert not {"prepare:images", "pretrain:hssl-seed0", "features:hssl-seed0"} & set(ran)
    assert len(ran) == 9
    assert (project.folder / "results/my/table.json").read_bytes() == table


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_ending_doit_ends_the_stage_and_its_children(project, number, code):
    project.configure(epochs=6)
    process, pids = project.start_and_hang("pretrain")
    process.send_signal(number)
    ended = process.wait(timeout=100)
    assert ended == code
    assert "Traceback" not in project.errors.read_text()
    assert not any(map(is_alive, pids))


def test_a_killed_stage_fails_and_runs_again(project):
    project.configure(epochs=7)
    process, pids = project.start_and_hang("features")
    os.kill(pids[0], signal.SIGKILL)
    assert process.wait(timeout=100) != 0
    assert not is_alive(pids[1])
    assert "pretrain:hssl-seed0" not in project.ran()


def test_exit_0_without_a_stamp_is_tried_twice_and_fails(project):
    project.configure(epochs=8)
    project.runs.write_text("")
    done = project.doit("run", "all", fault="pretrain:exit-0")
    assert done.returncode != 0
    assert "ended twice with exit code 0" in done.stdout
    assert project.runs.read_text().split().count("pretrain:hssl-seed0") == 2
    log = next(word for word in done.stdout.split() if word.endswith("stage.log"))
    assert "half done" in Path(log).read_text()


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(project):
    project.configure(epochs=9)
    os.utime(project.folder / "images.bin")  # prepared again too
    project.runs.write_text("")
    command = project.command("run", "all", "experiment=my.toml")
    both = [
        subprocess.Popen(command, cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    printed = b"".join(process.communicate(timeout=100)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], printed.decode()
    ran = project.runs.read_text().split()
    assert len(ran) == len(set(ran)) == 1 + 7


@pytest.mark.slow
def test_gc_leaves_alone_what_is_being_made(project):
    project.configure(epochs=10)
    process, _ = project.start_and_hang("pretrain")
    project.configure(epochs=3)
    project.ran("run", "tables")  # the record no longer names what is being made
    project.doit("run", "gc", "delete=yes")
    job = next((project.folder / "results/artifacts/pretrain").glob("*/job.json"))
    running = [p for p in job.parent.parent.glob("*/job.json") if not (p.parent / "stamp.json").exists()]
    process.terminate()
    process.wait()
    assert len(running) == 1


@pytest.mark.slow
def test_gc_keeps_what_waits_for_images_that_are_prepared_again(project):
    os.utime(project.folder / "images.bin", (1, 1))
    assert project.doit("run", "prepare", fault="prepare:fail").returncode != 0
    deleted = project.doit("run", "gc", "delete=yes").stdout
    # That of the older listing alone.
    assert deleted.count("deleted") == deleted.count("deleted  artifacts/prepare/") == 1
    assert project.ran() == ["prepare:images"]  # they turn out equal, and the rest is there


def test_missing_data_are_named(project):
    (project.folder / "images.bin").unlink()
    assert "R" in project.statuses()["knn"]
    done = project.doit("run", "prepare")
    assert done.returncode != 0
    assert "images.bin does not exist" in done.stdout + done.stderr
