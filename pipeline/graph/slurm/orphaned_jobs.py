"""Jobs of Slurm that outlived the process that submitted them."""

from collections.abc import Callable
from pathlib import Path

from pipeline.graph.slurm.following import ending, follow
from pipeline.graph.slurm.queue import JobState, SlurmError, jobs_named
from pipeline.graph.slurm.record import read_record, record_path, remove_record
from pipeline.graph.subprocesses import StageFailed


def wait_for_orphaned_job(output: Path, show: Callable[[bytes], None], *, poll_seconds: float = 10) -> bool:
    """If the process that submitted a job for an artifact is gone and the job is not, follow it to its end.

    Returns:
        Whether there was such a job.

    Raises:
        StageFailed: there is the record of a job, and no Slurm that could tell whether it is at work.
    """
    try:
        job = orphaned_job(output)
    except SlurmError as error:
        raise StageFailed(
            f"{record_path(output)} says that a job of Slurm makes this artifact, and whether it still does "
            f"cannot be asked: {error}. If that job is known to be over, delete the file"
        ) from error
    if job is None:
        return False
    submitted_as = read_record(output).name

    def state(job_id: str) -> JobState | None:
        return next((each for each in jobs_named(submitted_as) if each.job_id == job_id), None)

    show(f"Slurm's job {job.job_id} is at work on it already\n".encode())
    ended = follow(job.job_id, output, state, show, poll_seconds)
    if ended is not None:
        show(f"Slurm's job {job.job_id} {ending(ended)}; the stage runs again\n".encode())
    return True


def orphaned_job(output: Path) -> JobState | None:
    """The job that makes an artifact by its record; the record of a job that is over is removed.

    Raises:
        SlurmError: there is a record, and Slurm does not answer.
    """
    record = read_record(output)
    if record is None:
        return None
    at_work = [job for job in jobs_named(record.name) if record.is_of(job.job_id) and not job.is_over]
    if not at_work:
        remove_record(output)
        return None
    return at_work[-1]
