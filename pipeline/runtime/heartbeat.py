"""Detects hanging ranks: each increments a counter in a memory-mapped file, which a watchdog process reads.

A rank increments its counter before and after every collective, so an odd count means that it is waiting for
others. A rank whose counter stands still while others wait for it hangs, and is killed; mpirun then ends the
others. The mapped file is shared memory of the host; an increment costs less than a microsecond.
"""

import mmap
import os
import signal
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILE = "HSSL_RANKS_BEAT"  # environment variable: path of the file of counters
_RECORD = struct.Struct("<QQ")  # process id; count, odd while it waits for others
# Between two reads of the watchdog: short, as it keeps the stage's output open until it notices the end.
_POLL_SECONDS = 0.5


class _Beat:
    """This process's counter; does nothing without a watchdog."""

    def __init__(self) -> None:
        self._records: mmap.mmap | None = None
        self._offset = self._count = 0

    def begin(self, rank: int) -> None:
        path = os.environ.get(_FILE)
        if path is None or not os.path.exists(path):  # a rank on another host has no watchdog
            return
        with open(path, "r+b") as stream:
            self._records = mmap.mmap(stream.fileno(), 0)
        self._offset = rank * _RECORD.size
        self._write(0)

    def count(self) -> None:
        if self._records is not None:
            self._write(self._count + 1)

    def _write(self, count: int) -> None:
        self._count = count
        _RECORD.pack_into(self._records, self._offset, os.getpid(), count)


_BEAT = _Beat()


def begin(rank: int) -> None:
    """Register this process as a rank with this host's watchdog, if there is one."""
    _BEAT.begin(rank)


@contextmanager
def waiting_for_others() -> Iterator[None]:
    """Wrap a collective: code that returns in a rank only after all ranks have reached it."""
    _BEAT.count()
    yield
    _BEAT.count()


def watch_ranks(num_ranks: int, silence_seconds: float) -> dict[str, str]:
    """Start a watchdog over this process's ranks. It ends with this process; call before any thread starts.

    Args:
        silence_seconds: after so long without an increment while others wait, a rank counts as hanging.

    Returns:
        Variables to set in the environment of the ranks.
    """
    descriptor, path = tempfile.mkstemp(prefix="hssl-ranks-")
    os.ftruncate(descriptor, num_ranks * _RECORD.size)
    main = os.getpid()
    if os.fork() == 0:
        try:
            _watch(descriptor, Path(path), num_ranks, silence_seconds, main)
        finally:
            os._exit(0)
    os.close(descriptor)
    return {_FILE: path}


def _watch(descriptor: int, path: Path, num_ranks: int, silence_seconds: float, main: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # mpirun ends the ranks; this process ends with it
    records = mmap.mmap(descriptor, num_ranks * _RECORD.size)
    last, since = b"", time.monotonic()
    while os.getppid() == main:
        time.sleep(min(_POLL_SECONDS, silence_seconds / 20))
        now = records[:]
        if now != last or not _may_be_waited_for(list(_RECORD.iter_unpack(now))):
            last, since = now, time.monotonic()
        elif time.monotonic() - since > silence_seconds:
            _end(list(_RECORD.iter_unpack(now)), silence_seconds)
            break
    path.unlink(missing_ok=True)


def _may_be_waited_for(records: list[tuple[int, int]]) -> bool:
    """Whether a rank may be waiting for another; ranks of other hosts have no counter here, so they may."""
    here = [count for process, count in records if process]
    return bool(here) and (len(here) < len(records) or any(count % 2 for count in here))


def _hanging(processes: dict[int, int], counts: dict[int, int]) -> list[int]:
    """The ranks that others wait for; none if all wait alike.

    A rank stopped within a collective looks as if it waited: it is found by a lower count than the others',
    or by its process state.
    """
    at_work = [rank for rank, count in counts.items() if count % 2 == 0]
    behind = [rank for rank, count in counts.items() if count < max(counts.values())]
    return at_work or behind or [rank for rank, process in processes.items() if _is_stopped(process)]


def _is_stopped(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in "Tt"


def _end(records: list[tuple[int, int]], silence_seconds: float) -> None:
    here = {rank: process for rank, (process, _) in enumerate(records) if process}
    hang = _hanging(here, {rank: records[rank][1] for rank in here})
    minutes = f"{silence_seconds / 60:.3g} minutes"
    if hang:
        problem = f"rank {' and '.join(map(str, hang))} did not go on for {minutes}, and others wait for it"
    else:
        problem = f"all ranks of this host have waited for {minutes} for others"
    outlook = "The next run goes on from the last checkpoint"
    os.write(2, f"\n{problem}: ended (runtime.rank_silence_minutes). {outlook}\n".encode())
    for rank in hang or list(here):
        try:
            os.kill(here[rank], signal.SIGKILL)
        except ProcessLookupError:
            continue
