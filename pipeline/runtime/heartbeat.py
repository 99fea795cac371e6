"""Detects hanging ranks: each counts in a memory-mapped file, which a watchdog process reads.

A rank increments its counter before and after every collective, so an odd count means that it is waiting for
others. A rank whose counts stand still while others wait for it hangs, and is killed; mpirun then ends the
others. The mapped file is shared memory of the host of mpirun; ranks of other hosts count in memory of their
own, see `distant_ranks`.

On a GPU a collective is queued, and the device waits, not the process: that counts as waiting from the call
until the device is done, whatever the process does meanwhile. The end is counted by a POSIX semaphore in the
file, as its `sem_post` is a C function of one pointer, which CUDA can call by itself; Python could not answer
while it waits for the device.
"""

import mmap
import os
import platform
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.runtime.distant_ranks import DistantRanks, period_seconds, report_from_beside
from pipeline.runtime.rank_counts import RECORD_BYTES, C, Counts, read_counts, semaphore, write_counts

# Environment variables: path of the file of counters, whose name is also that of the job; the host of both.
FILE, HOST = "HSSL_RANKS_BEAT", "HSSL_RANKS_HOST"
# Between two reads of the watchdog: short, as it keeps the stage's output open until it notices the end.
_POLL_SECONDS = 0.5
_ENDING_SECONDS = 10.0  # for another host's rank to be killed, beside the time in which its host looks twice


class _Beat:
    """This process's counters; does nothing without a watchdog."""

    def __init__(self) -> None:
        self._records: mmap.mmap | None = None
        self._offset = self._count = self._queued = 0

    def begin(self, rank: int, output: Path, silence_seconds: float) -> None:
        path, host = os.environ.get(FILE), os.environ.get(HOST)
        if path is None or host is None:
            return
        if host == platform.node():
            with open(path, "r+b") as stream:
                self._records = mmap.mmap(stream.fileno(), 0)
            self._offset = rank * RECORD_BYTES
        else:
            self._records = mmap.mmap(-1, RECORD_BYTES)
        C.sem_init(semaphore(self._records, self._offset), 1, 0)
        self._write()
        if host != platform.node():
            report_from_beside(self._records, output, Path(path).name, rank, silence_seconds)

    def count(self) -> None:
        if self._records is not None:
            self._count += 1
            self._write()

    def queue(self) -> tuple[Callable, int] | None:
        if self._records is None:
            return None
        self._queued += 1
        self._write()
        return C.sem_post, semaphore(self._records, self._offset).value

    def _write(self) -> None:
        write_counts(self._records, self._offset, self._count, self._queued)


_BEAT = _Beat()


def begin(rank: int, output: Path, silence_seconds: float) -> None:
    """Register this process as a rank with the watchdog, if there is one; call before any thread starts.

    Args:
        output: the stage's artifact, where a rank of another host than the watchdog's reports.
        silence_seconds: as of `watch_ranks`.
    """
    _BEAT.begin(rank, output, silence_seconds)


@contextmanager
def waiting_for_others() -> Iterator[None]:
    """Wrap a collective: code that returns in a rank only after all ranks have reached it."""
    _BEAT.count()
    yield
    _BEAT.count()


def queued_for_others() -> tuple[Callable, int] | None:
    """Count a collective that the device will do; None without a watchdog.

    Returns:
        A C function and the address to call it with once, when the device is done.
    """
    return _BEAT.queue()


def watch_ranks(num_ranks: int, silence_seconds: float, output: Path) -> dict[str, str]:
    """Start a watchdog over this process's ranks. It ends with this process; call before any thread starts.

    Args:
        silence_seconds: after so long without an increment while others wait, a rank counts as hanging.
        output: the stage's artifact, where ranks of other hosts report.

    Returns:
        Variables to set in the environment of the ranks, on every host.
    """
    descriptor, path = tempfile.mkstemp(prefix="hssl-ranks-")
    os.ftruncate(descriptor, num_ranks * RECORD_BYTES)
    main = os.getpid()
    if os.fork() == 0:
        try:
            records = mmap.mmap(descriptor, num_ranks * RECORD_BYTES)
            watched = _Watched(records, num_ranks, DistantRanks(output, Path(path).name), silence_seconds)
            _watch(watched, main)
        finally:
            Path(path).unlink(missing_ok=True)
            os._exit(0)
    os.close(descriptor)
    return {FILE: path, HOST: platform.node()}


class _Watched:
    """The counts of all ranks: of this host, and of others, which are looked at less often."""

    def __init__(self, records: mmap.mmap, num_ranks: int, distant: DistantRanks, silence_seconds: float):
        self.distant, self.silence_seconds = distant, silence_seconds
        self._records, self._num_ranks = records, num_ranks
        self.period = period_seconds(silence_seconds)
        self._found: dict[int, Counts | None] = {}
        self._looked = -self.period

    def counts(self) -> list[Counts]:
        """Of each rank."""
        here = [read_counts(self._records, rank * RECORD_BYTES) for rank in range(self._num_ranks)]
        if time.monotonic() - self._looked >= self.period:
            self._looked = time.monotonic()
            elsewhere = (rank for rank, counts in enumerate(here) if not counts.process)
            self._found = {rank: self.distant.counts(rank) for rank in elsewhere}
        return [counts if counts.process else self._found.get(i) or counts for i, counts in enumerate(here)]

    def clear(self) -> None:
        """Remove the files of other hosts."""
        self.distant.clear(self._num_ranks)


def _watch(watched: _Watched, main: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # mpirun ends the ranks; this process ends with it
    last, since = [], time.monotonic()
    while os.getppid() == main:
        time.sleep(min(_POLL_SECONDS, watched.silence_seconds / 20))
        now = watched.counts()
        if now != last or not _may_be_waited_for(now):
            last, since = now, time.monotonic()
        elif time.monotonic() - since > watched.silence_seconds:
            _end(now, watched, main)
            break
    watched.clear()


def _may_be_waited_for(ranks: list[Counts]) -> bool:
    """Whether a rank may be waiting for another."""
    return any(rank.process and rank.waits for rank in ranks)


def _hanging(begun: dict[int, Counts]) -> list[int]:
    """The ranks that others wait for; none if all wait alike.

    A rank stopped within a collective looks as if it waited: it is found by lower counts than the others',
    or by its process state.
    """
    most = max(rank.progress for rank in begun.values())
    at_work = [index for index, rank in begun.items() if not rank.waits]
    behind = [index for index, rank in begun.items() if rank.progress < most]
    return at_work or behind or [index for index, rank in begun.items() if rank.is_stopped]


def _end(ranks: list[Counts], watched: _Watched, main: int) -> None:
    begun = {index: rank for index, rank in enumerate(ranks) if rank.process}
    absent = [index for index in range(len(ranks)) if index not in begun]
    hang = [] if absent else _hanging(begun)
    minutes = f"{watched.silence_seconds / 60:.3g} minutes"
    if absent:
        named = " and ".join(f"rank {index}" for index in absent)
        problem = f"{named} did not begin within {minutes}, and others wait for it"
    elif hang:
        named = " and ".join(_name(index, begun[index]) for index in hang)
        problem = f"{named} did not go on for {minutes}, and others wait for it"
    else:
        problem = f"all ranks have waited for {minutes} for others"
    outlook = "The next run goes on from the last checkpoint"
    os.write(2, f"\n{problem}: ended (runtime.rank_silence_minutes). {outlook}\n".encode())
    ended = hang or list(begun)
    watched.distant.end(index for index in ended if begun[index].host is not None)
    for index in ended:
        if begun[index].host is None:
            try:
                os.kill(begun[index].process, signal.SIGKILL)
            except ProcessLookupError:
                continue
    # A host that does not answer kills nothing: then mpirun is asked to end the job.
    deadline = time.monotonic() + _ENDING_SECONDS + 2 * watched.period
    while os.getppid() == main and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    if os.getppid() == main:
        os.kill(main, signal.SIGTERM)


def _name(index: int, rank: Counts) -> str:
    return f"rank {index}" if rank.host is None else f"rank {index} on {rank.host}"
