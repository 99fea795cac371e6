"""Runs on a Slurm node: runs the stage as on any machine, and requeues the job at its time limit."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.graph.slurm.queue import SlurmError, requeue
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import StageFailed, run_stage
from pipeline.storage.artifacts import JOB
from pipeline.storage.files import read_json, write_json
from pipeline.training.end_warning import WARNING

# A controller that is restarting, or busy, answers a little later.
_REQUEUE_ATTEMPTS = 4
_PAUSE_SECONDS = 5.0


def run_on_node(
    module: str, output: Path, *, root: Path, say: Callable[[str], None], element: int | None = None
) -> bool:
    """Run a stage; when the job's time is nearly over and the stage has saved a checkpoint, requeue the job.

    Args:
        module: the stage's module, such as "stages.knn".
        output: artifact directory, which holds the job's file.
        root: folder that holds the module's package.
        say: called with why the artifact is not made, or that the job continues later.
        element: number of the job in its array; None: not in an array.

    Returns:
        Whether the stage has made its artifact.
    """
    threads = _with_given_threads(output / JOB)
    try:
        # The lock is held where the job was submitted.
        stage = StageCommand(module, output, root, threads, lock=None, show=partial(os.write, 1))
        run_stage(stage, passed_on=(WARNING,))
    except StageFailed as failed:
        if failed.ended_by == WARNING:
            _after_warning(output, element, say)
        else:
            say(str(failed))
        return False
    return True


def _with_given_threads(job: Path) -> int:
    """Write Slurm's number of cores as threads into a job's file, unless it has a number; return the threads.

    Slurm need not bind a job to its cores, so a process may see all cores of the node.
    """
    values = read_json(job)
    threads = values["runtime"]["threads"] or int(os.environ["SLURM_CPUS_ON_NODE"])
    write_json(job, values | {"runtime": values["runtime"] | {"threads": threads}})
    return threads


def _after_warning(output: Path, element: int | None, say: Callable[[str], None]) -> None:
    # The job's file was written when this job started, by the same clock as all files here.
    started = (output / JOB).stat().st_mtime_ns
    if not any(path.stat().st_mtime_ns > started for path in output.glob("checkpoint*")):
        say("the job's time is over without a new checkpoint: raise executor.slurm.time_minutes")
        return
    # Print first: Slurm ends this process as soon as it requeues the job.
    say("the job's time is over; it is requeued and goes on from its checkpoint")
    for attempt in range(_REQUEUE_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS if attempt else 0)
        try:
            requeue(_job_id(element))
        except SlurmError as error:
            problem = error
        else:
            return
    say(f"the job cannot be requeued ({problem}), so run the command again to go on")


def _job_id(element: int | None) -> str:
    # SLURM_JOB_ID of an element is that of its array, and would mean all elements.
    if element is None:
        return os.environ["SLURM_JOB_ID"]
    return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{element}"
