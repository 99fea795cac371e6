"""Hosts that share a folder and no locks: here they are processes with names of their own."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.storage import leases
from pipeline.storage.leases import lease_holder, leased

ROOT = Path(__file__).resolve().parents[3]
# Holds the lease for so many seconds, by a clock that is wrong by others; notes when it begins and ends.
PROGRAM = """
import os, sys, time
from pathlib import Path
from pipeline.storage import leases
leases.HEARTBEAT_SECONDS = 0.1
wrong_by, right, touch = float(sys.argv[4]), time.time, os.utime
time.time = lambda: right() + wrong_by
os.utime = lambda path: touch(path, (time.time(), time.time()))
path, seconds, notes = Path(sys.argv[1]), float(sys.argv[2]), open(sys.argv[3], "a", buffering=1)
with leases.leased(path, lambda owner: notes.write(f"waits for {owner}\\n"), dead_after_seconds=1) as waited:
    notes.write(f"{leases.platform.node()} begins {waited}\\n")
    time.sleep(seconds)
    notes.write(f"{leases.platform.node()} ends\\n")
"""


def on_host(name: str, path: Path, seconds: float, notes: Path, wrong_by: float = 0) -> subprocess.Popen:
    """Start the program above on a host of a name, in a namespace; its clock is wrong by so many seconds."""
    if os.getuid() != 0:
        pytest.skip("a name for a host of one's own needs root")
    program = [sys.executable, "-c", PROGRAM, str(path), str(seconds), str(notes), str(wrong_by)]
    shell = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name, *program]
    return subprocess.Popen(shell, cwd=ROOT)


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "f.lease"


@pytest.fixture
def notes(tmp_path) -> Path:
    (tmp_path / "notes").touch()
    return tmp_path / "notes"


def test_another_host_is_waited_for_as_long_as_it_lives(path, notes):
    first = on_host("a", path, 3, notes)  # longer than a silence that counts as death
    wait_until(lambda: "a begins" in notes.read_text())
    second = on_host("b", path, 0, notes)
    assert first.wait(60) == second.wait(60) == 0
    waits = f"waits for process {first.pid} on a"
    output = notes.read_text().splitlines()
    assert output == ["a begins False", waits, "a ends", "b begins True", "b ends"]
    assert not path.exists()


@pytest.mark.parametrize("wrong_by", [-3600, 3600])
def test_a_host_whose_clock_is_an_hour_off_is_waited_for_as_long_as_it_lives(path, notes, wrong_by):
    first = on_host("a", path, 3, notes, wrong_by)
    wait_until(lambda: "a begins" in notes.read_text())
    wait_until(lambda: abs(time.time() + wrong_by - path.stat().st_mtime) < 60)  # touched by that clock
    assert on_host("b", path, 0, notes).wait(60) == 0
    assert first.wait(60) == 0
    assert notes.read_text().splitlines()[2:] == ["a ends", "b begins True", "b ends"]


@pytest.mark.parametrize("wrong_by", [-3600, 0, 3600])
def test_a_dead_host_is_taken_over_after_its_silence_whatever_its_clock_said(path, notes, wrong_by):
    first = on_host("a", path, 60, notes, wrong_by)
    wait_until(lambda: "a begins" in notes.read_text())
    first.kill()
    first.wait()
    started = time.monotonic()
    assert on_host("b", path, 0, notes).wait(60) == 0
    assert time.monotonic() - started >= 1
    assert "b begins True" in notes.read_text()


def test_a_host_with_a_clock_an_hour_off_takes_over_no_sooner(path, notes):
    first = on_host("a", path, 3, notes)
    wait_until(lambda: "a begins" in notes.read_text())
    assert on_host("b", path, 0, notes, 3600).wait(60) == 0
    assert first.wait(60) == 0
    assert notes.read_text().splitlines()[2:] == ["a ends", "b begins True", "b ends"]


def test_who_was_silent_for_too_long_ends_when_it_wakes(path, notes):
    first = on_host("a", path, 60, notes)
    wait_until(lambda: "a begins" in notes.read_text())
    first.send_signal(19)  # SIGSTOP
    second = on_host("b", path, 2, notes)
    wait_until(lambda: "b begins" in notes.read_text())
    first.send_signal(18)  # SIGCONT
    assert first.wait(60) == -15
    assert second.wait(60) == 0
    assert "a ends" not in notes.read_text()


def test_a_dead_process_of_this_host_is_taken_over_at_once(path):
    owner = {"host": platform.node(), "process": 1, "job": None, "id": "x"}
    path.write_text(json.dumps(owner))
    with leased(path, pytest.fail) as waited:
        assert not waited
        assert json.loads(path.read_text())["process"] == os.getpid()
    assert not path.exists()


def test_who_seems_to_be_alive_is_named(path, monkeypatch):
    assert lease_holder(path) is None
    path.write_text(json.dumps({"host": "elsewhere", "process": 7, "job": "12", "id": "x"}))
    assert lease_holder(path) == "process 7 on elsewhere, Slurm's job 12"
    os.utime(path, (1, 1))
    assert lease_holder(path) is None


def test_a_lease_written_meanwhile_is_not_removed(path):
    path.write_text(json.dumps({"host": "b", "process": 7, "job": None, "id": "new"}))
    leases._remove_of(path, {"host": "a", "process": 6, "job": None, "id": "old"})
    assert json.loads(path.read_text())["id"] == "new"


def test_what_is_no_lease_is_named(path):
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"f\.lease: a lease has host, process, job and id, found \[\]"):
        lease_holder(path)
