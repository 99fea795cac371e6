"""Open MPI: its installation, and the command that starts a program as several ranks.

It comes with the extra `mpi`, or from the system. Neither needs LD_LIBRARY_PATH: mpicc links with the path of
its libraries.
"""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.runtime.cuda.cards import installed_driver
from pipeline.runtime.environment import with_threads
from pipeline.runtime.hosts import HostsRefused, read_hosts

REMEDY = "pip install -e '.[mpi]' (or Debian, Ubuntu: apt-get install openmpi-bin libopenmpi-dev)"
# Variables that mpirun sets for its ranks; Jittor uses MPI if the first is set.
_COUNT, _RANK = "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"
_COUNT_HERE = "OMPI_COMM_WORLD_LOCAL_SIZE"
_PREFIXES = ("OMPI_", "PMIX_", "PRTE_")
_FORWARDED = ("PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV")  # to ranks on other hosts


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


def check_runnable(num_ranks: int, device: str) -> Mpi:
    """The Open MPI that can start `num_ranks` ranks on `runtime.device`.

    Raises:
        MpiUnavailable: there is no Open MPI, or the device would be a GPU.
    """
    if device == "auto" and (driver := installed_driver()) is not None and driver.cards:
        raise MpiUnavailable(
            f"runtime.devices {num_ranks}: this machine has a GPU, but ranks run on the processor only; "
            'needs runtime.device = "cpu", or runtime.devices = 1'
        )
    found = installed_mpi()
    if found is None:
        raise MpiUnavailable(f"runtime.devices {num_ranks} needs Open MPI, found none: {REMEDY}")
    return found


def command_of_ranks(mpi: Mpi, num_ranks: int, program: list[str], *, hosts: Path | None = None) -> list[str]:
    """The command that runs `program` as the ranks of one job. If one fails or is killed, the others end.

    Args:
        hosts: a hostfile for mpirun; None: the hosts of the allocation (Slurm's, PBS's), else this host.

    Raises:
        MpiUnavailable: the file of hosts is wrong.
    """
    # Not bound to cores: all threads of a rank would share one.
    placed = ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
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
    exported = [option for name in {*forwarded, *with_threads({}, 1)} for option in ("-x", name)]
    return ["--hostfile", str(hosts), "--prefix", str(mpi.mpirun.resolve().parent.parent), *exported]


def environment_of_ranks(threads: int) -> dict[str, str]:
    """This process's environment, with `threads` threads for each rank."""
    return with_threads(os.environ, threads)


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
