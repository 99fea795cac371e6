"""Finds who is making an artifact: a process, or a job of Slurm without a process that follows it."""

from pathlib import Path

from pipeline.graph.slurm.orphaned_jobs import orphaned_job
from pipeline.graph.slurm.queue import SlurmError
from pipeline.storage.artifacts import holder


def maker(directory: Path) -> str | None:
    """Description of who is making an artifact; None if nobody is."""
    process = holder(directory)
    if process:
        return process
    try:
        job = orphaned_job(directory)
    except SlurmError as error:
        return f"a job of Slurm, maybe ({error})"
    return job and f"Slurm's job {job.job_id} ({job.state.lower()})"
