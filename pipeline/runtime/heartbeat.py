"""Whether ranks go on: each counts in a file that they share on their host, and a watcher looks at it.

A rank counts when it begins to wait for the others and when it goes on, so the last count says which of the
two it was doing. A rank that is silent while others wait for it hangs, and is killed: mpirun then ends the
others. The file is memory of the host, not a disk; counting costs less than a microsecond.
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

_FILE = "HSSL_RANKS_BEAT"  # where a rank counts
_RECORD = struct.Struct("<QQ")  # process; count, odd while it waits for others
_LOOK_SECONDS = 0.5  # between two looks of the watcher: it keeps the stage's output open, so it ends soon


class _Beat:
    """This process's record; nothing where no watcher looks."""

    def __init__(self) -> None:
        self._records: mmap.mmap | None = None
        self._place = self._count = 0

    def begin(self, rank: int) -> None:
        path = os.environ.get(_FILE)
        if path is None or not os.path.exists(path):  # a rank of another host has no watcher
            return
        with open(path, "r+b") as stream:
            self._records = mmap.mmap(stream.fileno(), 0)
        self._place = rank * _RECORD.size
        self._write(0)

    def count(self) -> None:
        if self._records is not None:
            self._write(self._count + 1)

    def _write(self, count: int) -> None:
        self._count = count
        _RECORD.pack_into(self._records, self._place, os.getpid(), count)


_BEAT = _Beat()


def begin(rank: int) -> None:
    """Let the watcher of this host, if there is one, know this process as a rank."""
    _BEAT.begin(rank)


@contextmanager
def waiting_for_others() -> Iterator[None]:
    """Around whatever every rank has to come to before any goes on."""
    _BEAT.count()
    yield
    _BEAT.count()


def watch_ranks(num_ranks: int, silence_seconds: float) -> dict[str, str]:
    """Start a watcher of this process's ranks, which ends with this process; call before any thread starts.

    Returns:
        What the environment of the ranks has to say.
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
        signal.signal(number, signal.SIG_IGN)  # mpirun decides when the ranks end; this ends with it
    records = mmap.mmap(descriptor, num_ranks * _RECORD.size)
    last, since = b"", time.monotonic()
    while os.getppid() == main:
        time.sleep(min(_LOOK_SECONDS, silence_seconds / 20))
        now = records[:]
        if now != last or not _may_be_waited_for(list(_RECORD.iter_unpack(now))):
            last, since = now, time.monotonic()
        elif time.monotonic() - since > silence_seconds:
            _end(list(_RECORD.iter_unpack(now)), silence_seconds)
            break
    path.unlink(missing_ok=True)


def _may_be_waited_for(records: list[tuple[int, int]]) -> bool:
    """Whether a rank waits for another: of those of other hosts that is not known, once one is here."""
    here = [count for process, count in records if process]
    return bool(here) and (len(here) < len(records) or any(count % 2 for count in here))


def _hanging(processes: dict[int, int], counts: dict[int, int]) -> list[int]:
    """The ranks that others wait for; none where all wait alike.

    One that stands still within an exchange counts as waiting: it is behind the others, or Linux says so.
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
        words = f"rank {' and '.join(map(str, hang))} did not go on for {minutes}, and others wait for it"
    else:
        words = f"all ranks of this host have waited for {minutes} for others"
    told = f"\n{words}: ended (runtime.rank_silence_minutes). The next run goes on from the last checkpoint\n"
    os.write(2, told.encode())
    for rank in hang or list(here):
        try:
            os.kill(here[rank], signal.SIGKILL)
        except ProcessLookupError:
            continue
