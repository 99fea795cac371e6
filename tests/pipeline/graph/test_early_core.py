"""The core is compiled early only where it is missing and will be used, and no process of it is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.graph import early_core
from pipeline.graph.early_core import compile_if_needed

ROOT = Path(__file__).resolve().parents[3]
DEVICE = SimpleNamespace(device="cpu")
PREPARE, PRETRAIN, TABLES = (
    SimpleNamespace(runtime=DEVICE, stage=name) for name in ("prepare", "pretrain", "tables")
)


class Graph:
    """Stands for a graph in which some nodes are current."""

    def __init__(self, *current):
        self._current = current

    def libraries(self, node):
        return {"jittor": "1.3"} if node.stage == "pretrain" else {"numpy": "1.26"}

    def fault(self, node):
        return None if node in self._current else "has not run"


@pytest.fixture
def begun(monkeypatch, tmp_path):
    """What is run, with a folder of compiled code that is empty."""
    commands = []
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        early_core, "run_in_group", lambda command, **named: commands.append((command, named))
    )
    return commands


def asked(graph, nodes, root=ROOT):
    began = compile_if_needed(graph, nodes, root, show=print)
    for thread in threading.enumerate():
        if thread.name == early_core.THREAD:
            thread.join()
    return began


def test_a_stage_that_will_use_the_core_has_it_compiled(begun):
    assert asked(Graph(), [PREPARE, PRETRAIN])
    ((command, named),) = begun
    assert command == [sys.executable, "-m", "pipeline.runtime.compile_core", "cpu"]
    assert (named["cwd"], named["show"]) == (ROOT, print)


@pytest.mark.parametrize(
    ("current", "nodes"), [([], []), ([], [PREPARE, TABLES]), ([PRETRAIN], [PREPARE, PRETRAIN, TABLES])]
)
def test_nothing_is_compiled_that_no_stage_will_use(begun, current, nodes):
    assert not asked(Graph(*current), nodes)
    assert begun == []


def test_nothing_is_compiled_where_a_core_is(begun, tmp_path):
    core = tmp_path / "cache" / "jittor" / "digest"
    core.mkdir(parents=True)
    assert asked(Graph(), [PRETRAIN])  # one that was never finished
    (core / "built.json").write_text("{}")
    assert not asked(Graph(), [PRETRAIN])
    assert len(begun) == 1


def test_a_folder_that_cannot_be_used_is_left_to_the_stage_to_report(begun, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "file"))
    assert not asked(Graph(), [PRETRAIN])


@pytest.mark.parametrize("ends_by", ["itself", "SIGKILL"])
def test_what_compiles_ends_with_the_run(tmp_path, ends_by):
    (tmp_path / "sleeping.py").write_text(
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "open('pids.partial', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "os.rename('pids.partial', 'pids')\n"
        "time.sleep(600)\n"
    )
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from pipeline.graph import early_core
from tests.pipeline.graph.test_early_core import Graph, PRETRAIN
early_core._MODULE = "sleeping"
root = Path({str(tmp_path)!r})
assert early_core.compile_if_needed(Graph(), [PRETRAIN], root, print)
while not (root / "pids").exists():
    time.sleep(0.05)
time.sleep({600 if ends_by == "SIGKILL" else 0})
"""
    environment = {**os.environ, "HSSL_CACHE": str(tmp_path / "cache")}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment)
    _until(lambda: (tmp_path / "pids").exists())
    if ends_by == "SIGKILL":
        run.send_signal(signal.SIGKILL)
    run.wait(60)
    for pid in (tmp_path / "pids").read_text().split():
        _until(lambda pid=pid: not _runs(int(pid)))


def _until(true, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid):
    """Whether a process runs; one that has ended may wait for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
