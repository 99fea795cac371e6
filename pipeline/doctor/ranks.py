"""Checks of training on several ranks: Open MPI, and a mean over two ranks."""

import subprocess
import sys
from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.runtime.check import Check
from pipeline.runtime.hosts import HostsRefused, read_hosts, unreachable
from pipeline.runtime.mpi import (
    REMEDY,
    MpiUnavailable,
    check_runnable,
    command_of_ranks,
    environment_of_ranks,
    installed_mpi,
)

_PROJECT = Path(__file__).resolve().parents[2]
_LIMIT_SECONDS = 600  # the first time, a library is compiled for ranks
_MEAN = """
from pipeline.runtime.start_jittor import start
start("cpu", 1, say=lambda message: print(message, flush=True))
import jittor as jt
from pipeline.ranks.exchange import ranks_of_this_process
ranks = ranks_of_this_process()
mean = ranks.all_reduce_mean([jt.array([3.0 + ranks.index])])[0].item()
assert (ranks.count, mean) == (2, 3.5), f"{ranks.count} ranks, their mean of 3 and 4 is {mean}"
"""


def mpi_checks(runtime: RuntimeConfig, *, runs_here: bool = True) -> list[Check]:
    """Check the program that starts ranks, and the hosts of a file; needed if `runtime.devices` is above 1.

    Args:
        runs_here: whether stages start on this machine; only then are its hosts reached, in `REACH_SECONDS`.
    """
    found = [_mpi_check(runtime)]
    if runtime.devices > 1 and runtime.hosts:
        found += _hosts_checks(Path(runtime.hosts), runs_here=runs_here)
    return found


def _mpi_check(runtime: RuntimeConfig) -> Check:
    if runtime.devices > 1:
        try:
            found = check_runnable(runtime.devices, runtime.device)
        except MpiUnavailable as problem:
            return Check("MPI", False, str(problem), "see the message")
    elif (found := installed_mpi()) is None:
        return Check("MPI", True, "none, needed for runtime.devices above 1 only")
    return Check("MPI", True, f"{found.version.removeprefix('mpicc: ')}, {found.mpirun}")


def _hosts_checks(path: Path, *, runs_here: bool) -> list[Check]:
    try:
        hosts = read_hosts(path)
    except HostsRefused as refused:
        return [Check("hosts", False, line, "correct the file") for line in refused.lines]
    if runs_here and (problems := unreachable(path, hosts)):
        remedy = "see that ssh reaches it, or take it out of the file"
        return [Check("hosts", False, line, remedy) for line in problems]
    return [Check("hosts", True, f"{path}: {', '.join(host.name for host in hosts)}")]


def two_ranks_check() -> Check:
    """Start two ranks and average a number over them with Jittor; compiles what MPI needs if necessary."""
    mpi = installed_mpi()
    command = command_of_ranks(mpi, 2, [sys.executable, "-c", _MEAN])
    try:
        done = subprocess.run(
            command,
            cwd=_PROJECT,
            env=environment_of_ranks(1),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Check("two ranks", False, f"no answer within {_LIMIT_SECONDS} s", REMEDY)
    output_lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    found = "their mean is right" if done.returncode == 0 else "; ".join(output_lines[-3:]) or "no mean"
    return Check("two ranks", done.returncode == 0, found, f"see that `{command[0]}` works here, or {REMEDY}")
