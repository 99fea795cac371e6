"""Queries Slurm about this user's jobs."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass

# States of a job that is not over; all others are final.
_AT_WORK = {
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT",
    "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT",
}  # fmt: skip
_TIMEOUT_SECONDS = 60.0  # a controller that is restarting answers late


class SlurmError(RuntimeError):
    """Slurm is missing, or does not answer; the message is its own."""


@dataclass(frozen=True)
class JobState:
    """The state of one job at one moment."""

    job_id: str  # of an array's element "<array's number>_<element>"
    state: str  # Slurm's name of it, e.g. "RUNNING"
    place: str = ""  # the node, or in brackets why the job waits

    @property
    def is_over(self) -> bool:
        return self.state not in _AT_WORK


class Queue:
    """States of this user's jobs, queried once for all threads.

    Args:
        max_age_seconds: how old an answer may be.
    """

    def __init__(self, max_age_seconds: float):
        self._max_age_seconds = max_age_seconds
        self._lock = threading.Lock()
        self._asked = -float("inf")
        self._states: dict[str, JobState] = {}

    def state(self, job_id: str) -> JobState | None:
        """State of a job; None if Slurm no longer knows the job.

        Raises:
            SlurmError: Slurm does not answer. The job may be running nevertheless.
        """
        with self._lock:
            if time.monotonic() - self._asked >= self._max_age_seconds or job_id not in self._states:
                # A job that ended a while ago is in no answer; an earlier one that it was running proves
                # nothing.
                ended = {job_id: job for job_id, job in self._states.items() if job.is_over}
                self._states = ended | {job.job_id: job for job in _jobs(f"--user={os.getuid()}")}
                self._asked = time.monotonic()
            return self._states.get(job_id) or _recorded_state(job_id)


def jobs_named(name: str) -> list[JobState]:
    """The jobs with a name, of any user, oldest first; of finished jobs, those of the last minutes.

    Raises:
        SlurmError: Slurm is missing, or does not answer.
    """
    return sorted(_jobs(f"--name={name}"), key=lambda job: [int(part) for part in job.job_id.split("_")])


def cancel(job_ids: list[str]) -> None:
    """Cancel jobs; those that are already over are skipped.

    Raises:
        SlurmError: Slurm is missing, or does not answer.
    """
    _output(["scancel", "--quiet", *job_ids])


def requeue(job_id: str) -> None:
    """Put a job back in the queue. The program of the job that calls this is ended.

    Raises:
        SlurmError: Slurm does not allow it, or does not answer.
    """
    _output(["scontrol", "requeue", job_id])


def _jobs(chosen: str) -> list[JobState]:
    each = ["--states=all", "--array", "--noheader", "--format=%i|%T|%R"]  # with every element of an array
    lines = _output(["squeue", chosen, *each]).splitlines()
    return [JobState(*(field.strip() for field in line.split("|", 2))) for line in lines if line.strip()]


def _recorded_state(job_id: str) -> JobState | None:
    """The state in Slurm's accounting, which not every cluster has."""
    try:
        output = _output(["sacct", f"--jobs={job_id}", "--allocations", "--noheader", "--format=State%30"])
    except SlurmError:
        return None
    words = output.split()  # "CANCELLED by 1000"
    return JobState(job_id, words[0]) if words else None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except FileNotFoundError as error:
        raise SlurmError(f"there is no {command[0]} on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"{command[0]} did not answer within {_TIMEOUT_SECONDS:.0f} s") from error
    if done.returncode:
        raise SlurmError(f"{command[0]}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
    return done.stdout
