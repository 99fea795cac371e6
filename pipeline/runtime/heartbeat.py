"""Detects hanging ranks: each counts in a memory-mapped file, which a watchdog process reads.

A rank increments its counter before and after every collective, so an odd count means that it is waiting for
others. A rank whose counts stand still while others wait for it hangs, and is killed; mpirun then ends the
others. The mapped file is shared memory of the host; an increment costs less than a microsecond.

On a GPU a collective is queued, and the device waits, not the process: that counts as waiting from the call
until the device is done, whatever the process does meanwhile. The end is counted by a POSIX semaphore in the
file, as its `sem_post` is a C function of one pointer, which CUDA can call by itself; Python could not answer
while it waits for the device.
"""

import ctypes
import mmap
import os
import signal
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FILE = "HSSL_RANKS_BEAT"  # environment variable: path of the file of counters
# Process id; count, odd while it waits for others; collectives queued on its GPU. Behind it: a semaphore, the
# number of those that are done.
_RECORD = struct.Struct("<QQQ")
_RECORD_BYTES = 64  # with the semaphore, which takes 32 at most
_C = ctypes.CDLL(None)
# Between two reads of the watchdog: short, as it keeps the stage's output open until it notices the end.
_POLL_SECONDS = 0.5


class _Beat:
    """This process's counters; does nothing without a watchdog."""

    def __init__(self) -> None:
        self._records: mmap.mmap | None = None
        self._offset = self._count = self._queued = 0

    def begin(self, rank: int) -> None:
        path = os.environ.get(_FILE)
        if path is None or not os.path.exists(path):  # a rank on another host has no watchdog
            return
        with open(path, "r+b") as stream:
            self._records = mmap.mmap(stream.fileno(), 0)
        self._offset = rank * _RECORD_BYTES
        _C.sem_init(_semaphore(self._records, self._offset), 1, 0)
        self._write()

    def count(self) -> None:
        if self._records is not None:
            self._count += 1
            self._write()

    def queue(self) -> tuple[Callable, int] | None:
        if self._records is None:
            return None
        self._queued += 1
        self._write()
        return _C.sem_post, _semaphore(self._records, self._offset).value

    def _write(self) -> None:
        _RECORD.pack_into(self._records, self._offset, os.getpid(), self._count, self._queued)


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


def queued_for_others() -> tuple[Callable, int] | None:
    """Count a collective that the device will do; None without a watchdog.

    Returns:
        A C function and the address to call it with once, when the device is done.
    """
    return _BEAT.queue()


@dataclass(frozen=True)
class _Counts:
    """What a rank has counted."""

    process: int  # 0: it has not begun, or runs on another host
    count: int
    queued: int
    done: int

    @property
    def waits(self) -> bool:
        """Whether it may be waiting for others."""
        return self.count % 2 == 1 or self.queued > self.done

    @property
    def progress(self) -> int:
        """Grows with each collective that it reaches or leaves."""
        return self.count + self.queued + self.done


def _counts(records: mmap.mmap, num_ranks: int) -> list[_Counts]:
    """The counts of all ranks."""
    found = []
    for offset in range(0, num_ranks * _RECORD_BYTES, _RECORD_BYTES):
        done = ctypes.c_int(0)
        process, count, queued = _RECORD.unpack_from(records, offset)
        if process:
            _C.sem_getvalue(_semaphore(records, offset), ctypes.byref(done))
        found.append(_Counts(process, count, queued, done.value))
    return found


def _semaphore(records: mmap.mmap, offset: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(records, offset + _RECORD.size)))


def watch_ranks(num_ranks: int, silence_seconds: float) -> dict[str, str]:
    """Start a watchdog over this process's ranks. It ends with this process; call before any thread starts.

    Args:
        silence_seconds: after so long without an increment while others wait, a rank counts as hanging.

    Returns:
        Variables to set in the environment of the ranks.
    """
    descriptor, path = tempfile.mkstemp(prefix="hssl-ranks-")
    os.ftruncate(descriptor, num_ranks * _RECORD_BYTES)
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
    records = mmap.mmap(descriptor, num_ranks * _RECORD_BYTES)
    last, since = [], time.monotonic()
    while os.getppid() == main:
        time.sleep(min(_POLL_SECONDS, silence_seconds / 20))
        now = _counts(records, num_ranks)
        if now != last or not _may_be_waited_for(now):
            last, since = now, time.monotonic()
        elif time.monotonic() - since > silence_seconds:
            _end(now, silence_seconds)
            break
    path.unlink(missing_ok=True)


def _may_be_waited_for(ranks: list[_Counts]) -> bool:
    """Whether a rank may be waiting for another; ranks of other hosts have no counter here, so they may."""
    here = [rank for rank in ranks if rank.process]
    return bool(here) and (len(here) < len(ranks) or any(rank.waits for rank in here))


def _hanging(here: dict[int, _Counts]) -> list[int]:
    """The ranks that others wait for; none if all wait alike.

    A rank stopped within a collective looks as if it waited: it is found by lower counts than the others',
    or by its process state.
    """
    most = max(rank.progress for rank in here.values())
    at_work = [index for index, rank in here.items() if not rank.waits]
    behind = [index for index, rank in here.items() if rank.progress < most]
    return at_work or behind or [index for index, rank in here.items() if _is_stopped(rank.process)]


def _is_stopped(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in "Tt"


def _end(ranks: list[_Counts], silence_seconds: float) -> None:
    here = {index: rank for index, rank in enumerate(ranks) if rank.process}
    hang = _hanging(here)
    minutes = f"{silence_seconds / 60:.3g} minutes"
    if hang:
        problem = f"rank {' and '.join(map(str, hang))} did not go on for {minutes}, and others wait for it"
    else:
        problem = f"all ranks of this host have waited for {minutes} for others"
    outlook = "The next run goes on from the last checkpoint"
    os.write(2, f"\n{problem}: ended (runtime.rank_silence_minutes). {outlook}\n".encode())
    for index in hang or list(here):
        try:
            os.kill(here[index].process, signal.SIGKILL)
        except ProcessLookupError:
            continue
