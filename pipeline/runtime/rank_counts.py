"""What a rank counts, and its record in memory that it shares with who watches it."""

import ctypes
import mmap
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

# Process id; count, odd while it waits for others; collectives queued on its GPU. Behind it: a semaphore, the
# number of those that are done.
_RECORD = struct.Struct("<QQQ")
RECORD_BYTES = 64  # with the semaphore, which takes 32 at most
C = ctypes.CDLL(None)


@dataclass(frozen=True)
class Counts:
    """What a rank has counted."""

    process: int  # 0: it has not begun
    count: int
    queued: int
    done: int
    host: str | None = None  # None: that of the watchdog
    reported_stopped: bool = field(default=False, compare=False)  # of another host's rank

    @property
    def waits(self) -> bool:
        """Whether it may be waiting for others."""
        return self.count % 2 == 1 or self.queued > self.done

    @property
    def progress(self) -> int:
        """Grows with each collective that it reaches or leaves."""
        return self.count + self.queued + self.done

    @property
    def is_stopped(self) -> bool:
        """Whether its process is stopped, as by SIGSTOP."""
        return self.reported_stopped if self.host is not None else is_stopped(self.process)


def read_counts(records: mmap.mmap, offset: int = 0) -> Counts:
    """The counts of the rank whose record begins at `offset`."""
    process, count, queued = _RECORD.unpack_from(records, offset)
    done = ctypes.c_int(0)
    if process:
        C.sem_getvalue(semaphore(records, offset), ctypes.byref(done))
    return Counts(process, count, queued, done.value)


def write_counts(records: mmap.mmap, offset: int, count: int, queued: int) -> None:
    """Write this process's counts; takes less than a microsecond."""
    _RECORD.pack_into(records, offset, os.getpid(), count, queued)


def semaphore(records: mmap.mmap, offset: int) -> ctypes.c_void_p:
    """Address of the semaphore of a record."""
    return ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(records, offset + _RECORD.size)))


def is_stopped(process: int) -> bool:
    """Whether a process of this host is stopped, as by SIGSTOP."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state in "Tt"
