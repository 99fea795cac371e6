"""Runs a stage as several ranks: its process becomes mpirun, which starts the stage once per rank.

The first rank prints, writes the outputs and the stamp. Another rank's output goes to a log of its own, and
is shown to the user only if that rank fails alone. A rank that fails ends its process at once: otherwise
Python would wait for the other ranks, which wait for it.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.runtime import heartbeat, mpi
from pipeline.runtime.heartbeat import watch_ranks
from pipeline.storage.artifacts import log_of_rank

_FIRST_RANK_SECONDS = 3.0  # if all ranks refuse, the first one prints it and ends the others within this time
_ENDING_SECONDS = 60  # for all ranks to leave MPI once everything is written


def become_ranks(runtime: RuntimeConfig, output: Path) -> None:
    """Replace this process by mpirun with the ranks of the stage. Returns if it already is one of them.

    Args:
        output: the stage's artifact.

    Raises:
        MpiUnavailable: there is no Open MPI, a rank would have no GPU of its own, or the user's own mpirun
            started another number of ranks than `runtime.devices`.
    """
    started = mpi.num_ranks_started()
    if started is None:
        hosts = Path(runtime.hosts) if runtime.hosts else None
        here_only = hosts is None and mpi.num_hosts_allocated() == 1
        found = mpi.check_runnable(runtime.devices, runtime.device, here_only=here_only)
        program = [sys.executable, *sys.orig_argv[1:]]
        command = mpi.command_of_ranks(found, runtime.devices, program, hosts=hosts)
        sys.stdout.flush()
        threads = max(1, runtime.num_threads // mpi.most_ranks_of_a_host(runtime.devices, hosts))
        watched = watch_ranks(runtime.devices, 60 * runtime.rank_silence_minutes, output)
        os.execve(command[0], command, mpi.environment_of_ranks(threads) | watched)
    if started != runtime.devices:
        raise mpi.MpiUnavailable(f"mpirun started {started} ranks, but runtime.devices is {runtime.devices}")


def leave_mpi() -> None:
    """Run as a single process, even if the user's own mpirun started this process as a rank."""
    kept = mpi.without_mpi(os.environ)
    for name in set(os.environ) - set(kept):
        del os.environ[name]


def device_and_threads(runtime: RuntimeConfig) -> tuple[str, int]:
    """Device and threads of this process, whether it is a rank or the whole stage.

    Raises:
        MpiUnavailable: `runtime.device` asks for a GPU, and this rank has none of its own.
    """
    if mpi.num_ranks_started() is None:
        return runtime.device, runtime.threads
    card = mpi.card_of_rank(runtime.device)
    return "cpu" if card is None else f"cuda:{card.index}", runtime.threads_per_rank


@contextmanager
def as_rank(output: Path, runtime: RuntimeConfig) -> Iterator[bool]:
    """Run a rank's part of the stage; yields whether it is the first rank.

    Args:
        output: the stage's artifact; the logs of the other ranks are beside its log.
    """
    rank = mpi.rank_of_this_process()
    heartbeat.begin(rank, output, 60 * runtime.rank_silence_minutes)
    told = os.dup(2)
    if rank:
        log = os.open(output / log_of_rank(rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
    try:
        yield rank == 0
        from pipeline.ranks.exchange import ranks_of_this_process

        ranks_of_this_process().barrier()
    except BaseException as error:
        refused = isinstance(error, SystemExit)  # its message was printed
        if not refused:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        if rank:
            time.sleep(_FIRST_RANK_SECONDS)
            reason = _words(error.__context__ if refused else error)
            where = f"the output of this rank is in {output / log_of_rank(rank)}"
            os.write(told, f"\nrank {rank}: {reason}\n{where}\n".encode())
        os._exit(1)
    # At exit Python leaves MPI, which waits for all ranks. If that hangs, the process ends nevertheless.
    signal.alarm(_ENDING_SECONDS)


def _words(reason: BaseException | None) -> str:
    if isinstance(reason, MemoryError):  # has no message
        return "MemoryError: it needs more memory than it can have"
    return f"{type(reason).__name__}: {reason}"
