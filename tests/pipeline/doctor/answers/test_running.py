"""The process that asks: what it prints, and what becomes of one that fails or ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config.experiment import Experiment
from pipeline.config.stages import RuntimeConfig
from pipeline.doctor.answers import running
from pipeline.doctor.answers.answer import Answer, answer_rows

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def experiment(experiment: Experiment) -> Experiment:
    """Which asks the processor alone."""
    return experiment.model_copy(update={"runtime": RuntimeConfig(device="cpu")})


def test_no_number_is_a_wrong_answer():
    assert not Answer("a", "nan", "1", float("nan"), 1.0, "r").ok
    rows = answer_rows([Answer("a", "1", "1", 0, 1e-5, "r"), Answer("b", "2", "1", 1, 1e-5, "r")])
    assert rows == [("a", "ok", "1", "1", "1e-05", ""), ("b", "FAILED", "2", "1", "1e-05", "r")]


def test_an_error_is_a_wrong_answer_that_names_it():
    def fail():
        raise RuntimeError("no such operator\nand more")

    answer = running.run_test("attention", fail)
    assert (answer.name, answer.found, answer.ok) == ("attention", "RuntimeError: no such operator", False)


def test_a_process_that_ends_names_its_test(experiment, monkeypatch):
    code = (
        "import os, sys, json; f = open(sys.argv[1], 'w');"
        "f.write(json.dumps({'device': 'cpu', 'how': 'cpu, 1 thread(s)'}) + chr(10));"
        "f.write(json.dumps({'started': 'attention'}) + chr(10)); f.close(); os.abort()"
    )
    monkeypatch.setattr(running, "_SCRIPT", code)
    (device,) = running.answers_on_every_device(experiment)
    (answer,) = device.answers
    assert (answer.name, answer.ok, device.right) == ("attention", False, False)
    assert "ended by signal 6" in answer.found


def test_an_answer_that_is_wrong_leaves_with_1(jt, tmp_path):
    """The table as a user sees it, of a machine whose attention is a thousandth too large."""
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(BROKEN)
    done = doctor(PYTHONPATH=f"{tmp_path}")
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [line.split()[0] for line in done.stdout.splitlines() if " FAILED " in line]
    assert failed == ["depthwise_conv"]
    assert "runtime.kernels" in done.stdout


@pytest.mark.slow
def test_all_right_leaves_with_0(jt):
    done = doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    for what in ("attention", "adamw", "HSSL loss", "20 training steps", "k-NN", "mIoU", "AP"):
        assert what in done.stdout
    found, _, asked = done.stdout.split("are right")[0].split("\n")[-1].strip().partition(" of ")
    assert int(found) == int(asked) >= 23


def test_two_names_are_not_understood():
    command = [sys.executable, "-m", "stages.doctor", "smoke", "quickstart"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage" in done.stderr


def doctor(**environment: str) -> subprocess.CompletedProcess:
    import os

    command = [sys.executable, "-m", "stages.doctor", "smoke", "deep=yes"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


BROKEN = '''
import importlib.abc, sys

class Break(importlib.abc.MetaPathFinder):
    """Once the kernels are imported, a convolution is a thousandth too large."""

    def find_spec(self, name, path, target=None):
        if name == "pipeline.doctor.answers.kernel_cases":
            from pipeline.kernels import depthwise
            right = depthwise.fused_depthwise_conv
            depthwise.fused_depthwise_conv = lambda *given: 1.001 * right(*given)
            right_plain = depthwise.plain_depthwise_conv
            depthwise.plain_depthwise_conv = lambda *given: 1.001 * right_plain(*given)
        return None

sys.meta_path.insert(0, Break())
'''
