"""Follows a job of Slurm: shows its output until it is over; cancels it if this process ends first."""

import atexit
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.graph.slurm.queue import JobState, SlurmError, cancel
from pipeline.graph.slurm.record import job_output, remove_record
from pipeline.storage.artifacts import STAMP

_LOOK_SECONDS = 0.5  # between two reads of the job's files
# A file written by a node may become visible here so much later, because shared filesystems cache.
_SEEN_LATER_SECONDS = 60.0
_UNKNOWN = "UNKNOWN"
_ENDS = {
    "CANCELLED": "was cancelled",
    "TIMEOUT": "was ended by its time limit before it could be requeued; raise warning_seconds",
    "OUT_OF_MEMORY": "needed more memory than it asked for; raise memory_gib",
    "NODE_FAIL": "lost its node",
    "FAILED": "failed",
    "COMPLETED": f"is over, but there is no {STAMP}",
    _UNKNOWN: "is not known to Slurm any more",
}


class _Followed:
    """The jobs that this process follows; they are cancelled when it ends."""

    def __init__(self) -> None:
        self._job_ids: set[str] = set()
        self.are_left = False  # True: they keep running when this process ends

    def add(self, job_id: str) -> None:
        self._job_ids.add(job_id)

    def forget(self, job_id: str) -> None:
        self._job_ids.discard(job_id)

    def end(self, *job_ids: str) -> None:
        """Cancel these jobs, by default all, unless they shall keep running."""
        ending = sorted(self._job_ids & {*(job_ids or self._job_ids)})
        self._job_ids -= {*ending}
        if ending and not self.are_left:
            words = f"job{'s' if len(ending) > 1 else ''} {', '.join(ending)}"
            try:
                cancel(ending)
            except SlurmError as error:
                print(f"Slurm's {words} could not be cancelled: {error}", file=sys.stderr, flush=True)
            else:
                print(f"cancelled Slurm's {words}", file=sys.stderr, flush=True)


_FOLLOWED = _Followed()
# doit's threads are not notified when the process ends.
atexit.register(_FOLLOWED.end)


def leave_jobs() -> None:
    """Let the jobs that this process follows keep running when it ends: the next run finds them."""
    _FOLLOWED.are_left = True


def follow(
    job_id: str,
    output: Path,
    state: Callable[[str], JobState | None],
    show: Callable[[bytes], None],
    poll_seconds: float,
) -> JobState | None:
    """Show a job's output until it is over; cancel it if this call is interrupted.

    Args:
        job_id: the job's number.
        output: directory of the artifact that the job makes.
        state: called with the number; returns the job's state in Slurm, None if Slurm does not know the job.
        show: called with the job's output as it arrives.
        poll_seconds: between two calls of `state`.

    Returns:
        None if the artifact has its stamp; else how the job ended.
    """
    _FOLLOWED.add(job_id)
    try:
        ended = _wait(job_id, output, state, show, poll_seconds)
    except BaseException:
        _FOLLOWED.end(job_id)
        raise
    _FOLLOWED.forget(job_id)
    remove_record(output)
    return ended


def _wait(
    job_id: str,
    output: Path,
    state: Callable[[str], JobState | None],
    show: Callable[[bytes], None],
    poll_seconds: float,
) -> JobState | None:
    printed, last_note, asked = _Tail(job_output(output, job_id), show), "", time.monotonic()
    over, since = None, 0.0
    while True:
        time.sleep(_LOOK_SECONDS)
        finished = (output / STAMP).is_file()
        printed.show_more()
        if finished:
            time.sleep(_LOOK_SECONDS)
            printed.show_more()
            return None
        now = time.monotonic()
        if now - asked < poll_seconds:
            continue
        asked = now
        try:
            job = state(job_id) or JobState(job_id, _UNKNOWN)
            note = f"{job.state.lower()} {job.place}"
        except SlurmError as error:
            job, note = None, f"is waited for; Slurm does not answer ({error})"
        if job is None or not job.is_over:
            over = None
            if note != last_note:
                printed.show_line(f"Slurm's job {job_id}: {note}")
                last_note = note
        elif over is None:
            over, since = job, now
        elif now - since >= (_SEEN_LATER_SECONDS if job.state in ("COMPLETED", _UNKNOWN) else poll_seconds):
            return job


def ending(ended: JobState) -> str:
    """How a job ended, as a phrase that follows its name."""
    return _ENDS.get(ended.state, f"ended with the state {ended.state}")


class _Tail:
    """Shows what is appended to a file, which may not exist yet."""

    def __init__(self, path: Path, show: Callable[[bytes], None]):
        self._path, self._show, self._place = path, show, 0
        self._is_unfinished = False  # the last line, as that of a bar

    def show_more(self) -> None:
        try:
            with open(self._path, "rb") as stream:
                stream.seek(self._place)
                chunk = stream.read()
        except FileNotFoundError:
            return
        self._place += len(chunk)
        if chunk:
            self._show(chunk)
            self._is_unfinished = not chunk.endswith(b"\n")

    def show_line(self, text: str) -> None:
        """Show a line that is not in the file."""
        start = b"\n" if self._is_unfinished else b""
        self._show(start + f"{text}\n".encode())
        self._is_unfinished = False
