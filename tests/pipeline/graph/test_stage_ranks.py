"""A stage on two ranks that fails; the stages here do without Jittor."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.config.stages import RuntimeConfig
from pipeline.graph import stage_ranks
from pipeline.graph.stage_ranks import become_ranks, device_and_threads, leave_mpi
from pipeline.runtime.mpi import Mpi, MpiUnavailable, command_of_ranks
from tests.nccl_stand_in.build import stand_in_streams
from tests.pipeline.graph.test_stage_runner import ROOT, STAGE, job
from tests.pipeline.several_ranks import needs_mpi

TWO = {"devices": 2, "device": "cpu", "threads": 2}
ON_RANKS = STAGE.replace("serve(run, KnnConfig)", "serve(run, KnnConfig, on_ranks=True)")
# On a busy machine one rank starts seconds after the other.
BOTH_BEGIN = """    import os, sys, time
    rank = int(os.environ['OMPI_COMM_WORLD_RANK'])
    (output / f'begun{rank}').touch()
    while not (output / f'begun{1 - rank}').exists():
        time.sleep(0.05)
"""


def failing(tmp_path, body: str, *, variables=None, **runtime) -> subprocess.CompletedProcess:
    """The stage with `body` in place of its own, where `rank` is this rank's number."""
    stage = ON_RANKS.replace('    read = (features / "f.txt").read_text()\n', f"{BOTH_BEGIN}    {body}\n")
    command = [sys.executable, "-c", stage, str(job(tmp_path, runtime=TWO | runtime))]
    environment = os.environ | (variables or {})
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@needs_mpi
def test_what_all_ranks_refuse_is_said_once(tmp_path):
    done = failing(tmp_path, "from pipeline.storage.files import read_json; read_json(output / 'none.json')")
    assert done.returncode == 1
    assert done.stderr.count("none.json") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "stamp.json").exists()


@pytest.mark.slow
@needs_mpi
def test_what_one_rank_refuses_ends_the_others_and_is_said_with_its_number(tmp_path):
    started = time.monotonic()
    done = failing(
        tmp_path,
        """print('rank', rank, 'prints', flush=True)
    if rank == 0:
        time.sleep(100)
    (output / 'no').read_text()""",
    )
    assert done.returncode == 1
    assert time.monotonic() - started < 60
    log = tmp_path / "stage.rank1.log"
    assert "rank 1: FileNotFoundError" in done.stderr
    assert str(log) in done.stderr
    assert "rank 1 prints" in log.read_text()
    assert "rank 0 prints" in done.stdout
    assert "rank 1 prints" not in done.stdout + done.stderr


@pytest.mark.slow
@needs_mpi
def test_a_fault_of_one_rank_leaves_its_traceback_in_its_log(tmp_path):
    done = failing(tmp_path, "time.sleep(100) if rank == 0 else {}['none']")
    assert done.returncode == 1
    assert "rank 1: KeyError: 'none'" in done.stderr
    assert "Traceback" in (tmp_path / "stage.rank1.log").read_text()


@pytest.mark.slow
@needs_mpi
def test_a_rank_without_memory_says_so(tmp_path):
    done = failing(tmp_path, "time.sleep(100) if rank == 0 else bytearray(2**62)")
    assert done.returncode == 1
    assert "rank 1: MemoryError: it needs more memory than it can have" in done.stderr


@needs_mpi
def test_a_rank_that_is_killed_is_named_and_ends_the_others(tmp_path):
    done = failing(tmp_path, "time.sleep(100) if rank == 0 else os.kill(os.getpid(), 9)")
    assert done.returncode != 0
    assert "rank 1" in done.stderr
    assert "signal 9" in done.stderr


@needs_mpi
def test_a_rank_that_hangs_is_named_and_ends_the_others(tmp_path):
    body = """from pipeline.runtime.heartbeat import waiting_for_others
    if rank == 1:
        os.kill(os.getpid(), 19)  # SIGSTOP: alive, and never answers
    with waiting_for_others():
        time.sleep(100)"""
    started = time.monotonic()
    done = failing(tmp_path, body, rank_silence_minutes=0.05)
    assert done.returncode != 0
    assert time.monotonic() - started < 60
    assert "rank 1 did not go on for 0.05 minutes, and others wait for it: ended" in done.stderr


@needs_mpi
def test_a_rank_that_stands_still_while_it_waits_is_named_too(tmp_path):
    body = """from pipeline.runtime.heartbeat import waiting_for_others
    with waiting_for_others():
        if rank == 1:
            os.kill(os.getpid(), 19)
        time.sleep(100)"""
    done = failing(tmp_path, body, rank_silence_minutes=0.05)
    assert done.returncode != 0
    assert "rank 1 did not go on for 0.05 minutes, and others wait for it: ended" in done.stderr


@pytest.mark.slow
@needs_mpi
def test_a_rank_that_is_behind_in_an_exchange_is_named(tmp_path):
    body = """from pipeline.runtime.heartbeat import waiting_for_others
    for _ in range(1 if rank else 2):
        with waiting_for_others():
            time.sleep(100 if rank or _ else 0)"""
    done = failing(tmp_path, body, rank_silence_minutes=0.05)
    assert "rank 1 did not go on for 0.05 minutes, and others wait for it: ended" in done.stderr


@needs_mpi
def test_a_rank_whose_card_waits_for_another_one_counts_as_waiting(tmp_path):
    """Its process may be anywhere, as here, where it would wait for its card."""
    body = """from pipeline.runtime.heartbeat import queued_for_others
    if rank == 1:
        os.kill(os.getpid(), 19)
    queued_for_others()
    time.sleep(100)"""
    done = failing(tmp_path, body, rank_silence_minutes=0.05)
    assert done.returncode != 0
    assert "rank 1 did not go on for 0.05 minutes, and others wait for it: ended" in done.stderr


@needs_mpi
def test_a_card_that_has_exchanged_waits_no_more(tmp_path):
    body = f"""import ctypes
    from pipeline.runtime.heartbeat import queued_for_others
    streams = ctypes.CDLL({str(stand_in_streams())!r})
    for _ in range(3):
        function, address = queued_for_others()
        streams.cudaLaunchHostFunc(ctypes.c_void_p(16), function, ctypes.c_void_p(address))
    time.sleep(6)"""
    done = failing(tmp_path, body, rank_silence_minutes=0.03)
    assert "did not go on" not in done.stderr
    assert "have waited" not in done.stderr


@needs_mpi
def test_ranks_that_go_on_are_left_alone(tmp_path):
    body = """from pipeline.runtime.heartbeat import waiting_for_others
    end = time.monotonic() + 8  # longer than a silence that is a hang
    while time.monotonic() < end:
        with waiting_for_others():
            time.sleep(0.01)"""
    done = failing(tmp_path, body, rank_silence_minutes=0.05)
    assert "did not go on" not in done.stderr
    assert "have waited" not in done.stderr


@needs_mpi
def test_ranks_that_compute_for_long_and_wait_for_none_are_left_alone(tmp_path):
    done = failing(tmp_path, "time.sleep(6)", rank_silence_minutes=0.03)
    assert "did not go on" not in done.stderr
    assert "have waited" not in done.stderr


NETWORKS = [path for path in Path("/sys/class/net").glob("*/operstate") if path.read_text().strip() == "up"]
HOSTS = """#!/bin/sh
# In place of ssh: a host is a namespace with a name of its own.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
exec unshare --uts sh -c 'hostname "$0" && exec sh -c "$*"' "$host" "$@"
"""


NEEDS_HOSTS = (
    pytest.mark.slow,
    needs_mpi,
    pytest.mark.skipif(os.getuid() != 0, reason="a name for a host of one's own needs root"),
    pytest.mark.skipif(not NETWORKS, reason="no network but the loopback, over which mpirun starts nothing"),
)


def on_hosts(test: Callable) -> Callable:
    """Mark a test that starts ranks on hosts of their own."""
    for mark in NEEDS_HOSTS:
        test = mark(test)
    return test


def failing_on_hosts(tmp_path, names: tuple[str, str], body: str, **runtime) -> subprocess.CompletedProcess:
    """As `failing`, with a rank on each of two hosts, which are namespaces unless it is this host."""
    (tmp_path / "ssh").write_text(HOSTS)
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "hosts.txt").write_text("".join(f"{name} slots=1\n" for name in names))
    variables = {"PRTE_MCA_plm_ssh_agent": str(tmp_path / "ssh")}
    return failing(tmp_path, body, variables=variables, hosts=str(tmp_path / "hosts.txt"), **runtime)


@on_hosts
def test_ranks_run_on_the_hosts_of_a_file_and_each_has_the_threads_of_its_host(tmp_path):
    body = """import platform
    (output / f'host{rank}').write_text(
        f"{platform.node()} {runtime.threads_per_rank} {os.environ['OPENBLAS_NUM_THREADS']}")"""
    done = failing_on_hosts(tmp_path, ("node-a", "node-b"), body)
    found = {path.name: path.read_text() for path in tmp_path.glob("host[01]")}
    assert found == {"host0": "node-a 2 2", "host1": "node-b 2 2"}, done.stderr


@on_hosts
@pytest.mark.parametrize("first", [platform.node(), "node-a"])
@pytest.mark.parametrize("standing", [0, 1])
def test_a_rank_that_hangs_is_named_on_whatever_host(first, standing, tmp_path):
    body = f"""from pipeline.runtime.heartbeat import waiting_for_others
    if rank == {standing}:
        os.kill(os.getpid(), 19)
    with waiting_for_others():
        time.sleep(100)"""
    done = failing_on_hosts(tmp_path, (first, "node-b"), body, rank_silence_minutes=0.05)
    assert done.returncode != 0
    host = (first, "node-b")[standing]
    named = f"rank {standing}" if host == platform.node() else f"rank {standing} on {host}"
    assert f"{named} did not go on for 0.05 minutes, and others wait for it: ended" in done.stderr
    assert not processes_below(tmp_path)
    assert not [*tmp_path.glob("*.beat"), *tmp_path.glob("*.end")]


@on_hosts
def test_where_another_host_does_not_answer_mpirun_ends_the_job(tmp_path):
    body = """from pathlib import Path
    from pipeline.runtime.heartbeat import waiting_for_others
    if rank == 1:
        beside, = Path(f'/proc/self/task/{os.getpid()}/children').read_text().split()
        (output / 'beside').write_text(beside)
        time.sleep(2)  # it reports that this rank has begun
        os.kill(int(beside), 19)
        os.kill(os.getpid(), 19)
    with waiting_for_others():
        time.sleep(100)"""
    done = failing_on_hosts(tmp_path, ("node-a", "node-b"), body, rank_silence_minutes=0.05)
    os.kill(int((tmp_path / "beside").read_text()), signal.SIGKILL)
    assert done.returncode != 0
    assert "rank 1 on node-b did not go on for 0.05 minutes, and others wait for it: ended" in done.stderr
    assert not processes_below(tmp_path)


@on_hosts
def test_ranks_of_two_hosts_that_go_on_are_left_alone(tmp_path):
    body = """from pipeline.runtime.heartbeat import waiting_for_others
    end = time.monotonic() + 8
    while time.monotonic() < end:
        with waiting_for_others():
            time.sleep(0.01)"""
    done = failing_on_hosts(tmp_path, ("node-a", "node-b"), body, rank_silence_minutes=0.05)
    assert "did not go on" not in done.stderr
    assert "have waited" not in done.stderr


def processes_below(folder: Path) -> list[str]:
    """Processes that still run with this stage's job, after a while in which they may end."""
    end = time.monotonic() + 20
    while (found := _processes_with(str(folder / "job.json"))) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _processes_with(word: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            found += [process.name] if word in words else []
    return found


def test_a_file_of_hosts_that_is_not_there_or_empty_is_named(tmp_path):
    mpi = Mpi(tmp_path / "bin" / "mpirun", tmp_path / "bin" / "mpicc", "")
    hosts = tmp_path / "hosts.txt"
    with pytest.raises(MpiUnavailable, match=r"runtime\.hosts: .*hosts\.txt: No such file"):
        command_of_ranks(mpi, 2, ["x"], hosts=hosts)
    hosts.write_text("# none\n")
    with pytest.raises(MpiUnavailable, match="expected a host in each line, found none"):
        command_of_ranks(mpi, 2, ["x"], hosts=hosts)


def test_the_ranks_share_the_threads(monkeypatch):
    runtime = RuntimeConfig(devices=2, threads=5)
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    assert device_and_threads(runtime) == ("auto", 5)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert device_and_threads(runtime) == ("cpu", 2)
    assert RuntimeConfig(devices=8, threads=2).threads_per_rank == 1


def test_only_the_ranks_of_one_host_share_its_threads(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "8")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "2")
    runtime = RuntimeConfig(devices=8, device="cpu", threads=16)
    assert runtime.threads_per_rank == 8
    assert device_and_threads(runtime) == ("cpu", 8)


def test_a_users_own_mpirun_starts_as_many_ranks_as_the_experiment_says(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(MpiUnavailable, match=r"started 4 ranks, but runtime\.devices is 2"):
        become_ranks(RuntimeConfig(devices=2, device="cpu"), Path("none"))
    become_ranks(RuntimeConfig(devices=4, device="cpu"), Path("none"))  # is one already


def test_a_stage_that_runs_as_one_forgets_the_users_mpirun(monkeypatch):
    variables = {"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0", "KEPT": "yes"}
    monkeypatch.setattr(stage_ranks.os, "environ", dict(variables))
    leave_mpi()
    assert os.environ == {"KEPT": "yes"}
