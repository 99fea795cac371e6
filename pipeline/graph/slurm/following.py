"""Follows a job of Slurm: shows what it prints until it is over; cancels it if this process ends first."""

import atexit
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.graph.slurm.queue import JobState, SlurmError, cancel
from pipeline.graph.slurm.record import job_output, remove_record
from pipeline.storage.artifacts import STAMP

_LOOK_SECONDS = 0.5  # between two looks at the job's files
# A file that a node has written may be seen here so much later: caches of a shared filesystem.
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
    """The jobs that this process follows; they end with it."""

    def __init__(self) -> None:
        self._job_ids: set[str] = set()
        self.are_left = False  # to run on when this process ends

    def add(self, job_id: str) -> None:
        self._job_ids.add(job_id)

    def forget(self, job_id: str) -> None:
        self._job_ids.discard(job_id)

    def end(self, *job_ids: str) -> None:
        """Cancel these jobs, by default all, unless they are to run on."""
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
# doit's threads are not told that the process ends.
atexit.register(_FOLLOWED.end)


def leave_jobs() -> None:
    """Let the jobs that this process follows run on when it ends: the next run finds them."""
    _FOLLOWED.are_left = True


def follow(
    job_id: str,
    output: Path,
    state: Callable[[str], JobState | None],
    show: Callable[[bytes], None],
    poll_seconds: float,
) -> JobState | None:
    """Show what a job prints until it is over; cancel it if this call is ended.

    Args:
        job_id: the job's number.
        output: directory of the artifact that it makes.
        state: called with the number; returns what Slurm says of the job, None if it knows no such job.
        show: called with the job's output as it comes.
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
                show(f"Slurm's job {job_id}: {note}\n".encode())
                last_note = note
        elif over is None:
            over, since = job, now
        elif now - since >= (_SEEN_LATER_SECONDS if job.state in ("COMPLETED", _UNKNOWN) else poll_seconds):
            return job


def ending(ended: JobState) -> str:
    """How a job ended, in words that follow on its name."""
    return _ENDS.get(ended.state, f"ended with the state {ended.state}")


class _Tail:
    """Shows what is appended to a file, which may not be there yet."""

    def __init__(self, path: Path, show: Callable[[bytes], None]):
        self._path, self._show, self._place = path, show, 0

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
