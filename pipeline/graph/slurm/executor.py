"""Runs a stage as a job of Slurm, as `LocalExecutor` does on this machine."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.config.executors import SlurmConfig
from pipeline.graph.slurm.arrays import Gathering
from pipeline.graph.slurm.following import ending, follow
from pipeline.graph.slurm.nodes import num_nodes
from pipeline.graph.slurm.queue import Queue, SlurmError
from pipeline.graph.slurm.record import JobRecord, array_name, job_name, job_output, jobs_folder, write_record
from pipeline.graph.slurm.submission import resources_of, submit
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.stages_on_ranks import num_ranks
from pipeline.graph.subprocesses import StageFailed
from pipeline.storage.artifacts import JOB, LOG
from pipeline.storage.files import read_json

# doit's threads reach their stages one after another, each after checking the code again.
_QUIET_SECONDS = 2.0
_MOST_SECONDS = 20.0


class SlurmExecutor:
    """Submits stages to Slurm and follows their jobs; thread-safe.

    Args:
        config: resources of the jobs, and how they are watched.
        at_once: how many stages doit runs at once. If above 1, runs of one stage that are ready together are
            submitted as an array.
    """

    def __init__(self, config: SlurmConfig, at_once: int = 1):
        self._config, self._gathers = config, config.arrays and at_once > 1
        self._queue = Queue(config.poll_seconds)
        self._gathered: dict[tuple[Path, Path], Gathering[Path, str]] = {}

    def __call__(self, stage: StageCommand) -> None:
        """Run a stage in a job until its stamp exists; threads, lock and margin concern this machine.

        Raises:
            StageFailed: Slurm refused the job, the stage failed, or the job was ended.
        """
        try:
            job_id = self._submitted(stage.module, stage.output, stage.cwd)
        except SlurmError as error:
            # The record stays, because the job may exist although the answer was lost.
            raise StageFailed(f"{stage.module}: {error}") from error
        ended = follow(job_id, stage.output, self._queue.state, stage.show, self._config.poll_seconds)
        if ended is not None:
            how = f"Slurm's job {job_id} {ending(ended)}"
            raise StageFailed(f"{stage.module}: {how}; its output is in {stage.output / LOG}")

    def _submitted(self, module: str, output: Path, cwd: Path) -> str:
        """Number of the job that was submitted for an artifact, or of its element of an array."""
        submit_all = partial(self._submit, module, cwd)
        if not self._gathers:
            return submit_all([output])[0]
        # One for each kind of stage; `setdefault` is atomic.
        gathering = self._gathered.setdefault(
            (output.parent, cwd),
            Gathering(submit_all, quiet_seconds=_QUIET_SECONDS, most_seconds=_MOST_SECONDS),
        )
        return gathering.answer(output)

    def _submit(self, module: str, cwd: Path, outputs: Sequence[Path]) -> list[str]:
        """Submit a job for one artifact of a stage, an array for several; return the number for each."""
        array = len(outputs) > 1
        name = array_name(outputs) if array else job_name(outputs[0])
        records = [JobRecord(name, element=place if array else None) for place in range(len(outputs))]
        for output, record in zip(outputs, records, strict=True):
            write_record(output, record)
        first = outputs[0]
        jobs_folder(first).mkdir(exist_ok=True)
        jobs = [str(output.resolve() / JOB) for output in outputs]
        resources = resources_of(self._config, first.parent.name)
        # All of an array are of one experiment, and so have one number of ranks.
        ranks = num_ranks(first.parent.name, read_json(first / JOB)["runtime"])
        number = submit(
            f"exec {shlex.join([sys.executable, '-m', 'stages.on_node', module, *jobs])}",
            name=name,
            cwd=cwd,
            output=job_output(first, "%A_%a" if array else "%j"),
            warning_seconds=self._config.warning_seconds,
            resources=resources,
            num_nodes=num_nodes(resources, ranks),
            num_elements=len(outputs) if array else None,
        )
        numbers = [f"{number}_{place}" if array else number for place in range(len(outputs))]
        for output, record, job_id in zip(outputs, records, numbers, strict=True):
            write_record(output, replace(record, job_id=job_id))
        return numbers
