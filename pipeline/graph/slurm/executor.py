"""Runs a stage as a job of Slurm: the same call as `run_stage`, which runs it on this machine."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.config.executors import SlurmConfig
from pipeline.graph.slurm.following import ending, follow
from pipeline.graph.slurm.queue import Queue, SlurmError
from pipeline.graph.slurm.record import JobRecord, job_name, job_output, jobs_folder, write_record
from pipeline.graph.slurm.submission import resources_of, submit
from pipeline.graph.subprocesses import StageFailed
from pipeline.storage.artifacts import JOB, LOG


class SlurmExecutor:
    """Submits stages to Slurm and follows their jobs; may be called from several threads.

    Args:
        config: what jobs ask for, and how they are watched.
    """

    def __init__(self, config: SlurmConfig):
        self._config = config
        self._queue = Queue(config.poll_seconds)

    def __call__(
        self,
        module: str,
        output: Path,
        *,
        cwd: Path,
        threads: int,
        lock: int,
        show: Callable[[bytes], None],
        margin: int = 0,
    ) -> None:
        """Run `python -m module <output>/job.json` in a job until its stamp is there.

        The arguments are those of `run_stage`; threads, lock and margin are of this machine and do not count.

        Raises:
            StageFailed: Slurm refused the job, the stage failed, or the job was ended.
        """
        name = job_name(output)
        command = [sys.executable, "-m", "stages.on_node", module, str(output.resolve() / JOB)]
        write_record(output, JobRecord(name))
        jobs_folder(output).mkdir(exist_ok=True)
        try:
            job_id = submit(
                f"exec {shlex.join(command)}",
                name=name,
                cwd=cwd,
                output=job_output(output, "%j"),
                warning_seconds=self._config.warning_seconds,
                resources=resources_of(self._config, output.parent.name),
            )
        except SlurmError as error:
            # The record stays: that the answer was lost does not mean that the job was.
            raise StageFailed(f"{module}: {error}") from error
        write_record(output, JobRecord(name, job_id))
        ended = follow(job_id, output, self._queue.state, show, self._config.poll_seconds)
        if ended is not None:
            how = f"Slurm's job {job_id} {ending(ended)}"
            raise StageFailed(f"{module}: {how}; its output is in {output / LOG}")
