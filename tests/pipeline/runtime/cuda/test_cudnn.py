"""cuDNN is tried once, in a process of its own, and what that says is remembered."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.runtime.cuda import cudnn
from pipeline.runtime.cuda.driver import Driver
from pipeline.runtime.cuda.links import Toolkit


@pytest.fixture
def toolkit(tmp_path) -> Toolkit:
    return Toolkit(tmp_path / "nvcc", (13, 0), (), tmp_path, "13.0.88", tmp_path, (90,), 9)


def try_with(script: str, folder: Path, toolkit: Toolkit, monkeypatch) -> tuple[str | None, list[str]]:
    """What is said of cuDNN where `script` takes the place of the process that tries it."""
    interpreter = folder.parent / "python"
    interpreter.write_text(f"#!/bin/sh\necho call >> {folder.parent}/calls\n{script}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    folder.mkdir(exist_ok=True)
    messages: list[str] = []
    return cudnn.try_once(folder, toolkit, None, messages.append), messages


def test_it_is_tried_once(tmp_path, toolkit, monkeypatch):
    problem, messages = try_with("exit 0", tmp_path / "core", toolkit, monkeypatch)
    assert problem is None
    assert len(messages) == 1
    assert try_with("exit 1", tmp_path / "core", toolkit, monkeypatch) == (None, [])
    assert (tmp_path / "calls").read_text() == "call\n"


def test_what_ends_the_process_is_remembered(tmp_path, toolkit, monkeypatch):
    script = r"printf 'first\n\033[38;5;1mcode=1001( CUDNN_STATUS )\033[m\n' >&2; kill -ABRT $$"
    for _ in range(2):
        problem, _ = try_with(script, tmp_path / "core", toolkit, monkeypatch)
        assert problem.startswith("code=1001( CUDNN_STATUS ) (exit code -6, see ")
    assert (tmp_path / "calls").read_text() == "call\n"


def test_another_driver_is_tried_again(tmp_path, toolkit, monkeypatch):
    for version, script, works in (((12, 4), "exit 1", False), ((13, 0), "exit 0", True)):
        monkeypatch.setattr(cudnn, "installed_driver", lambda version=version: Driver(version, ()))
        problem, _ = try_with(script, tmp_path / "core", toolkit, monkeypatch)
        assert (problem is None) is works
    assert (tmp_path / "calls").read_text() == "call\n" * 2


@pytest.mark.parametrize(("major", "expected"), [(None, False), (8, False), (9, True), (10, True)])
def test_which_versions_are_tried(tmp_path, major, expected):
    toolkit = Toolkit(tmp_path, (13, 0), (), tmp_path, "13.0.88", tmp_path, (90,), major)
    assert cudnn.can_be_tried(toolkit) is expected


def test_a_right_convolution_passes(jt):
    """What is asked of cuDNN holds for a convolution that is known to be right."""
    cudnn.compare(jt)


def test_a_wrong_convolution_is_seen(jt, monkeypatch):
    right = jt.nn.conv2d
    monkeypatch.setattr(jt.nn, "conv2d", lambda *given, **options: right(*given, **options) + 1)
    with pytest.raises(SystemExit, match="cuDNN's convolution is wrong"):
        cudnn.compare(jt)


def test_windows_hold_the_neighbours():
    windows = cudnn._windows(np.arange(9).reshape(1, 1, 3, 3))
    assert windows[0, 0, 1, 1].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert windows[0, 0, 0, 0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 3, 4]]
