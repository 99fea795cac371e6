import json
import os
import signal
import threading
import time

import pytest

from pipeline.graph.slurm import on_node
from pipeline.graph.slurm.on_node import run_on_node
from pipeline.storage.artifacts import STAMP
from tests.pipeline.graph.slurm.programs import put_on_path

LISTENS = """
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1]).parent
def warned(number, frame):
    (folder / "checkpoint.txt").touch()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
signal.signal(signal.SIGUSR2, warned)
(folder / "ready").touch()
time.sleep(30)
"""
DEAF = LISTENS.replace("signal.signal(signal.SIGUSR2, warned)\n", "")
DONE = f"import pathlib, sys; pathlib.Path(sys.argv[1]).with_name({STAMP!r}).touch()\n"


@pytest.fixture
def output(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"runtime": {"threads": 0, "device": "cpu"}}))
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    put_on_path(tmp_path, monkeypatch, scontrol=f'echo "$@" >> {tmp_path}/asked')
    return folder


def run(output, program, element=None):
    (output.parent / "toy.py").write_text(program)
    messages = []
    done = run_on_node("toy", output, root=output.parent, say=messages.append, element=element)
    assert done == (not messages)
    return "\n".join(messages) or None


def run_and_warn(output, program, element=None):
    """Run a stage, and send this process the warning once the stage is ready."""

    def warn():
        end = time.monotonic() + 100
        while not (output / "ready").exists() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGUSR2)

    thread = threading.Thread(target=warn)
    thread.start()
    messages = run(output, program, element)
    thread.join()
    return messages


def test_a_stage_has_as_many_threads_as_the_job_has_cores(output):
    assert run(output, DONE + "import os; print(os.environ['OMP_NUM_THREADS'])") is None
    assert (output / "stage.log").read_text() == "3\n"
    assert json.loads((output / "job.json").read_text())["runtime"] == {"threads": 3, "device": "cpu"}


def test_a_training_that_is_warned_goes_on_in_a_requeued_job(output):
    assert "goes on from its checkpoint" in run_and_warn(output, LISTENS)
    assert (output.parent / "asked").read_text() == "requeue 7\n"


def test_of_an_array_only_the_element_is_requeued(output, monkeypatch):
    # SLURM_JOB_ID of one element is the array's own number, which would requeue all elements.
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    assert "goes on from its checkpoint" in run_and_warn(output, LISTENS, element=2)
    assert (output.parent / "asked").read_text() == "requeue 7_2\n"


def test_a_stage_that_saved_nothing_is_not_requeued_for_ever(output):
    (output / "checkpoint.txt").touch()  # of an earlier job
    time.sleep(0.01)
    assert "without a new checkpoint" in run_and_warn(output, DEAF)
    assert not (output.parent / "asked").exists()


def test_a_failure_is_told_as_on_any_machine(output):
    assert "failed with exit code 3; its output is in" in run(output, "raise SystemExit(3)")


def test_a_controller_that_does_not_answer_is_asked_again(output, tmp_path, monkeypatch):
    monkeypatch.setattr(on_node, "_PAUSE_SECONDS", 0)
    once = f"[ -e {tmp_path}/tried ] && exit 0; touch {tmp_path}/tried; exit 1"
    put_on_path(tmp_path, monkeypatch, scontrol=once)
    assert "goes on from its checkpoint" in run_and_warn(output, LISTENS)


def test_a_requeue_that_is_refused_is_told(output, tmp_path, monkeypatch):
    monkeypatch.setattr(on_node, "_PAUSE_SECONDS", 0)
    put_on_path(tmp_path, monkeypatch, scontrol="echo 'not allowed' >&2; exit 1")
    assert "cannot be requeued (scontrol: not allowed)" in run_and_warn(output, LISTENS)
