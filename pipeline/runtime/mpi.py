"""Open MPI: its installation, and the command that starts a program as several ranks.

It comes with the extra `mpi`, or from the system. Neither needs LD_LIBRARY_PATH: mpicc links with the path of
its libraries.
"""

import os
import platform
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.runtime import heartbeat
from pipeline.runtime.cuda.cards import VISIBLE, NoSuchCard, cards_of_ranks
from pipeline.runtime.cuda.driver import Card
from pipeline.runtime.environment import original, with_threads
from pipeline.runtime.hosts import HostsRefused, read_hosts

REMEDY = "pip install -e '.[mpi]' (or Debian, Ubuntu: apt-get install openmpi-bin libopenmpi-dev)"
# Variables that mpirun sets for its ranks; Jittor uses MPI if the first is set.
_COUNT, _RANK = "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"
_COUNT_HERE, _RANK_HERE = "OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"
_PREFIXES = ("OMPI_", "PMIX_", "PRTE_")
_FORWARDED = ("PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV")  # to ranks on other hosts
_WATCHED = (heartbeat.FILE, heartbeat.HOST)  # set later than the command is made


class MpiUnavailable(RuntimeError):
    """Several ranks cannot be started here; the message says what to do."""


@dataclass(frozen=True)
class Mpi:
    """An installation of Open MPI."""

    mpirun: Path
    mpicc: Path  # Jittor asks it for the flags of its operators for MPI
    version: str  # what mpicc says, such as "mpicc: Open MPI 5.0.11 (Language: C)"


@cache
def installed_mpi() -> Mpi | None:
    """The Open MPI of this Python's environment, else the first on PATH; None if there is none."""
    folders = (sysconfig.get_path("scripts"), *os.environ.get("PATH", "").split(os.pathsep))
    for folder in folders:
        mpirun, mpicc = (shutil.which(name, path=folder) for name in ("mpirun", "mpicc"))
        if mpirun and mpicc:
            command = [mpicc, "--showme:version"]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            version = done.stdout.partition("\n")[0].strip()
            return Mpi(Path(mpirun), Path(mpicc), version) if "Open MPI" in version else None
    return None


def check_runnable(num_ranks: int, device: str, *, here_only: bool = True) -> Mpi:
    """The Open MPI that can start `num_ranks` ranks on `runtime.device`.

    Args:
        here_only: whether all of them run on this host; each rank of several hosts checks its own card.

    Raises:
        MpiUnavailable: there is no Open MPI, or a rank would have no GPU of its own.
    """
    if here_only:
        _cards_here(num_ranks, device)
    found = installed_mpi()
    if found is None:
        raise MpiUnavailable(f"runtime.devices {num_ranks} needs Open MPI, found none: {REMEDY}")
    return found


def _cards_here(num_ranks: int, device: str) -> tuple[Card, ...]:
    """A GPU for each of this host's ranks; () if they compute on the processor.

    Raises:
        MpiUnavailable: there are fewer GPUs than ranks, or none where `device` asks for them.
    """
    if device == "cpu":
        return ()
    try:
        cards = cards_of_ranks()
    except NoSuchCard as error:
        if device == "auto":
            return ()
        raise MpiUnavailable(f"runtime.device {device!r} on {platform.node()}: {error}") from error
    if num_ranks > len(cards):
        visible = original(VISIBLE)
        shown = "" if visible is None else f" ({VISIBLE} is {visible!r})"
        fitting = "runtime.devices = 1" if len(cards) == 1 else f"{len(cards)} ranks here at most"
        raise MpiUnavailable(
            f"runtime.devices: expected a GPU for each rank, found {len(cards)}{shown} for {num_ranks} ranks "
            f'on {platform.node()}; needs {fitting}, or runtime.device = "cpu"'
        )
    return cards[:num_ranks]


def cards_here(device: str) -> tuple[Card, ...]:
    """The GPUs of this host that ranks may take; () if they compute on the processor, or there is none."""
    try:
        return () if device == "cpu" else cards_of_ranks()
    except NoSuchCard:
        return ()


def card_of_rank(device: str) -> Card | None:
    """This rank's GPU, by its number on its host; None: it computes on the processor.

    Raises:
        MpiUnavailable: there are fewer GPUs than ranks on this host, or none where `device` asks for them.
    """
    cards = _cards_here(num_ranks_here(), device)
    return cards[int(os.environ[_RANK_HERE])] if cards else None


def command_of_ranks(mpi: Mpi, num_ranks: int, program: list[str], *, hosts: Path | None = None) -> list[str]:
    """The command that runs `program` as the ranks of one job. If one fails or is killed, the others end.

    Args:
        hosts: a hostfile for mpirun; None: the hosts of the allocation (Slurm's, PBS's), else this host.

    Raises:
        MpiUnavailable: the file of hosts is wrong.
    """
    # Not bound to cores: all threads of a rank would share one.
    on_each, rest = divmod(num_ranks, num_hosts_allocated() if hosts is None else 1)
    # An allocation need not say how many ranks a host shall have: its slots may be cores, or tasks.
    how = f"ppr:{on_each}:node:OVERSUBSCRIBE" if on_each < num_ranks and not rest else ":OVERSUBSCRIBE"
    placed = ["--map-by", how, "--bind-to", "none"]
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return [str(mpi.mpirun), "-n", str(num_ranks), *placed, *root, *_on_hosts(mpi, hosts), *program]


def _on_hosts(mpi: Mpi, hosts: Path | None) -> list[str]:
    """mpirun's options to start ranks on other hosts, with the environment variables that they need."""
    if hosts is None:
        return []
    try:
        read_hosts(hosts)
    except HostsRefused as error:
        raise MpiUnavailable(str(error)) from error
    forwarded = [name for name in sorted(os.environ) if name.startswith("HSSL_") or name in _FORWARDED]
    exported = [option for name in {*forwarded, *with_threads({}, 1), *_WATCHED} for option in ("-x", name)]
    return ["--hostfile", str(hosts), "--prefix", str(mpi.mpirun.resolve().parent.parent), *exported]


def environment_of_ranks(threads: int) -> dict[str, str]:
    """This process's environment, with `threads` threads for each rank."""
    return with_threads(os.environ, threads)


def num_hosts_allocated() -> int:
    """Number of hosts of the allocation that this process is in, Slurm's or PBS's; 1 outside of one."""
    if nodes := os.environ.get("SLURM_JOB_NUM_NODES"):
        return int(nodes)
    with suppress(KeyError, OSError):
        return len(set(Path(os.environ["PBS_NODEFILE"]).read_text().split())) or 1
    return 1


def most_ranks_of_a_host(num_ranks: int, hosts: Path | None = None) -> int:
    """Ranks of the host with the most, as far as that is known before mpirun places them; else `num_ranks`.

    mpirun fills one host of a file after the other. Where a line has no slots, or there are too few in
    all, it is not known.

    Raises:
        HostsRefused: the file of hosts is wrong.
    """
    if hosts is None:
        return -(-num_ranks // num_hosts_allocated())
    slots = [host.slots for host in read_hosts(hosts)]
    if None in slots or sum(slots) < num_ranks:
        return num_ranks
    return min(num_ranks, max(slots))


def num_ranks_started() -> int | None:
    """Number of ranks that mpirun started; None if this process is not one of them."""
    count = os.environ.get(_COUNT)
    return None if count is None else int(count)


def num_ranks_here() -> int:
    """Number of ranks on this host, which share its cores."""
    return int(os.environ.get(_COUNT_HERE, os.environ[_COUNT]))


def rank_of_this_process() -> int:
    """This process's rank, from 0."""
    return int(os.environ[_RANK])


def without_mpi(variables: Mapping[str, str]) -> dict[str, str]:
    """An environment without mpirun's variables: a rank's child process must not act as a rank."""
    return {name: value for name, value in variables.items() if not name.startswith(_PREFIXES)}
