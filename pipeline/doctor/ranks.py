"""Checks of training on several ranks: Open MPI, NCCL, and a product and its mean over two ranks."""

import subprocess
import sys
from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.runtime.check import Check
from pipeline.runtime.cuda.nccl import REMEDY as NCCL_REMEDY
from pipeline.runtime.cuda.nccl import NcclMissing, load_nccl, nccl_path, nccl_version
from pipeline.runtime.hosts import HostsRefused, read_hosts, unreachable
from pipeline.runtime.mpi import (
    REMEDY,
    MpiUnavailable,
    cards_here,
    check_runnable,
    command_of_ranks,
    environment_of_ranks,
    installed_mpi,
    num_hosts_allocated,
)

_PROJECT = Path(__file__).resolve().parents[2]
_LIMIT_SECONDS = 600  # the first time, a library is compiled for ranks
_MEAN = """
import sys
from pipeline.runtime import mpi
from pipeline.runtime.start_jittor import start
card = mpi.card_of_rank(sys.argv[1])
start("cpu" if card is None else f"cuda:{card.index}", 1, say=lambda message: print(message, flush=True))
import jittor as jt
from pipeline.ranks.connecting import connect
from pipeline.ranks.exchange import ranks_of_this_process
exchange, note = connect()
ranks = ranks_of_this_process()
# [[r + 1] * 64] * 64 times ones: 64 (r + 1) everywhere; over ranks 0 and 1 the mean is 96.
product = jt.matmul(jt.full((64, 64), ranks.index + 1.0), jt.ones((64, 64)))
mean = ranks.all_reduce_mean([product])[0].numpy()
found = sorted({float(value) for value in mean.ravel()})
assert (ranks.count, found) == (2, [96.0]), f"{ranks.count} ranks, the mean of 64 and 128 is {found[:4]}"
if ranks.is_first:
    print("exchanged by", exchange if note is None else f"{exchange}: {note}")
"""


def mpi_checks(runtime: RuntimeConfig, *, runs_here: bool = True) -> list[Check]:
    """Check the program that starts ranks, and the hosts of a file; needed if `runtime.devices` is above 1.

    Args:
        runs_here: whether stages start on this machine; only then are its hosts reached, in `REACH_SECONDS`.
    """
    found = [_mpi_check(runtime, runs_here=runs_here)]
    if runtime.devices > 1 and runs_here and cards_here(runtime.device):
        found.append(_nccl_check())
    if runtime.devices > 1 and runtime.hosts:
        found += _hosts_checks(Path(runtime.hosts), runs_here=runs_here)
    return found


def _nccl_check() -> Check:
    """Whether NCCL can be loaded; without it GPUs exchange slowly."""
    try:
        library = load_nccl()
    except NcclMissing as missing:
        found = f"{missing}: the GPUs would exchange through the host's memory, which is slow"
        return Check("NCCL", None, found.replace(f"; {NCCL_REMEDY}", ""), NCCL_REMEDY)
    return Check("NCCL", True, f"{'.'.join(map(str, nccl_version(library)))}, {nccl_path()}")


def _mpi_check(runtime: RuntimeConfig, *, runs_here: bool) -> Check:
    if runtime.devices > 1:
        try:
            # That there is no card at all is said by another check.
            has_cards = runs_here and bool(cards_here(runtime.device))
            here_only = has_cards and not runtime.hosts and num_hosts_allocated() == 1
            found = check_runnable(runtime.devices, runtime.device, here_only=here_only)
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


def two_ranks_check(device: str = "cpu") -> Check:
    """Start two ranks that multiply, each on a GPU of its own, and average the products over them.

    Compiles what MPI needs if necessary.

    Args:
        device: `runtime.device`.
    """
    mpi = installed_mpi()
    command = command_of_ranks(mpi, 2, [sys.executable, "-c", _MEAN, device])
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
    if done.returncode == 0:
        by = next((line for line in reversed(done.stdout.splitlines()) if "exchanged by" in line), "")
        slow = "slow" in by
        return Check(
            "two ranks", None if slow else True, f"the mean of their products is right, {by}", NCCL_REMEDY
        )
    output_lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    # Behind a rank's error come mpirun's own lines.
    errors = [line for line in output_lines if "Error: " in line][-1:]
    found = "; ".join(errors or output_lines[-3:]) or "no mean"
    return Check("two ranks", False, found, f"see that `{command[0]}` works here, or {REMEDY}")
