"""Ranks of other hosts, whose memory the watchdog does not see: files in the artifact's shared folder.

Beside such a rank runs a process of its own, since a rank's Python may stand still for long within one call.
It writes the rank's counts to a file when they have changed, and kills the rank when the watchdog's file asks
for it: the watchdog cannot send a signal to another host.
"""

import mmap
import os
import platform
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipeline.runtime.rank_counts import Counts, is_stopped, read_counts
from pipeline.storage.artifacts import log_of_rank
from pipeline.storage.files import read_json, write_json

_LONGEST_PERIOD_SECONDS = 10.0  # between two looks at a shared filesystem
_POLL_SECONDS = 0.5  # until the process beside a rank notices that the rank has ended
_PARTS = {"process": int, "count": int, "queued": int, "done": int, "host": str, "stopped": bool}

# Names as of a rank's log: such files are no outputs.
_ENDS = Path(log_of_rank(0)).stem + ".end"


def _beat_of(rank: int) -> str:
    return Path(log_of_rank(rank)).stem + ".beat"


def period_seconds(silence_seconds: float) -> float:
    """Seconds between two looks at files of other hosts; no change for `silence_seconds` is a hang."""
    return min(_LONGEST_PERIOD_SECONDS, silence_seconds / 20)


class DistantRanks:
    """The watchdog's side.

    Args:
        output: the stage's artifact.
        job: name of this start of the ranks; files of an earlier one are ignored.
    """

    def __init__(self, output: Path, job: str):
        self._output, self._job = output, job
        self._known: dict[int, Counts] = {}

    def counts(self, rank: int) -> Counts | None:
        """What a rank last reported; None if it has reported nothing."""
        with suppress(OSError, ValueError):  # just being replaced, on a filesystem that shows it
            found = read_json(self._output / _beat_of(rank))
            if isinstance(found, dict) and found.pop("job", None) == self._job and _is_report(found):
                stopped = found.pop("stopped")
                self._known[rank] = Counts(**found, reported_stopped=stopped)
        return self._known.get(rank)

    def end(self, ranks: Iterable[int]) -> None:
        """Have ranks killed, each by the process beside it."""
        with suppress(OSError):  # then the whole job is ended instead
            write_json(self._output / _ENDS, {"job": self._job, "ranks": sorted(ranks)})

    def clear(self, num_ranks: int) -> None:
        """Remove all files."""
        for name in (_ENDS, *map(_beat_of, range(num_ranks))):
            with suppress(OSError):
                (self._output / name).unlink(missing_ok=True)


def _is_report(found: dict) -> bool:
    return found.keys() == _PARTS.keys() and all(type(found[name]) is kind for name, kind in _PARTS.items())


def report_from_beside(records: mmap.mmap, output: Path, job: str, rank: int, silence_seconds: float) -> None:
    """Start the process beside this rank. It ends with the rank; call before any thread starts.

    Args:
        records: shared memory with this rank's counts alone.
        output, job: as of `DistantRanks`.
    """
    main = os.getpid()
    if os.fork() == 0:
        try:
            _stand_apart()
            _report(records, output, job, rank, period_seconds(silence_seconds), main)
        finally:
            os._exit(0)


def _stand_apart() -> None:
    """Survive what ends the rank, and hold none of its output open."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)


def _report(records: mmap.mmap, output: Path, job: str, rank: int, period: float, main: int) -> None:
    path, host = output / _beat_of(rank), platform.node()
    told, looked = None, -period
    while os.getppid() == main:
        if time.monotonic() - looked >= period:
            looked = time.monotonic()
            now = replace(read_counts(records), host=host, reported_stopped=is_stopped(main))
            if now.process and (told is None or (now, now.reported_stopped) != told):
                with suppress(OSError):  # told again at the next look
                    write_json(path, _report_of(now) | {"job": job})
                    told = now, now.reported_stopped
            if _is_to_end(output / _ENDS, job, rank):
                with suppress(ProcessLookupError):
                    os.kill(main, signal.SIGKILL)
        time.sleep(min(_POLL_SECONDS, period))
    path.unlink(missing_ok=True)


def _report_of(counts: Counts) -> dict:
    return {
        "process": counts.process,
        "count": counts.count,
        "queued": counts.queued,
        "done": counts.done,
        "host": counts.host,
        "stopped": counts.reported_stopped,
    }


def _is_to_end(path: Path, job: str, rank: int) -> bool:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("job") == job and rank in found.get("ranks", ())
