"""Open MPI: where it is, and the command that starts a program as several ranks.

It comes with the extra `mpi`, or from the system. Each is found without LD_LIBRARY_PATH: its compiler writes
into what it links where its libraries are.
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
# What mpirun tells its ranks; Jittor takes part where it finds the first.
_COUNT, _RANK = "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"
_COUNT_HERE = "OMPI_COMM_WORLD_LOCAL_SIZE"
_PREFIXES = ("OMPI_", "PMIX_", "PRTE_")
_TOLD = ("PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV")  # to ranks of other hosts


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
    """That of this Python's environment, else the first on PATH; None if there is none, or another MPI."""
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
    """What starts so many ranks on `runtime.device`.

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
    """`program` as the ranks of one job. One that fails or is killed ends the others.

    Args:
        hosts: a file for mpirun with a host in each line; None: what an allocation gives (Slurm's, PBS's), or
            else this one.

    Raises:
        MpiUnavailable: the file of hosts is wrong.
    """
    # Not bound to cores: each has threads of its own, which would all share one.
    placed = ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return [str(mpi.mpirun), "-n", str(num_ranks), *placed, *root, *_on_hosts(mpi, hosts), *program]


def _on_hosts(mpi: Mpi, hosts: Path | None) -> list[str]:
    """Options that start ranks on other hosts, with what they need of this environment."""
    if hosts is None:
        return []
    try:
        read_hosts(hosts)
    except HostsRefused as error:
        raise MpiUnavailable(str(error)) from error
    told = [name for name in sorted(os.environ) if name.startswith("HSSL_") or name in _TOLD]
    exported = [word for name in {*told, *with_threads({}, 1)} for word in ("-x", name)]
    return ["--hostfile", str(hosts), "--prefix", str(mpi.mpirun.resolve().parent.parent), *exported]


def environment_of_ranks(threads: int) -> dict[str, str]:
    """This process's environment with so many threads for each rank."""
    return with_threads(os.environ, threads)


def num_ranks_started() -> int | None:
    """How many ranks mpirun started, this process being one; None: it was started without."""
    count = os.environ.get(_COUNT)
    return None if count is None else int(count)


def num_ranks_here() -> int:
    """How many of them are on this host: they share its cores."""
    return int(os.environ.get(_COUNT_HERE, os.environ[_COUNT]))


def rank_of_this_process() -> int:
    """0 for the first of the ranks that mpirun started."""
    return int(os.environ[_RANK])


def without_mpi(variables: Mapping[str, str]) -> dict[str, str]:
    """An environment without what mpirun told: a child process is no rank, and must not report as one."""
    return {name: value for name, value in variables.items() if not name.startswith(_PREFIXES)}
