"""Pretrains with the counting libraries and writes the counts at each step.

A process of its own: `python -m tests.cuda_counting.counted_training JOB.json`; or several, under mpirun,
each with a card, which exchange over the stand-in for NCCL.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.runtime import mpi
from pipeline.storage.files import write_json
from tests.cuda_counting.counted_library import Counts, read_counts


@dataclass(frozen=True)
class Job:
    """What to train, and where to write the result."""

    library: str  # that counts
    config: dict[str, Any]  # of a `PretrainConfig`
    data: str  # folder of a prepared data set
    output: str  # an empty folder; of several ranks, each has its own below it
    log_every_steps: int


@dataclass(frozen=True)
class Step:
    """The state of the process when a step began."""

    counts: Counts
    thread_seconds: float  # processor time of the thread that trains
    seconds: float
    image_bytes: int  # images and crop parameters that the loader passes on for this step
    exchanged: dict[str, int]  # by NCCL so far, of several ranks: launches, their bytes, gathers


def main(job: Job) -> None:
    """Train to the end, and write the state at the start of each step."""
    from pipeline.runtime.start_jittor import start

    on_ranks = mpi.num_ranks_started() is not None
    start(f"cuda:{mpi.card_of_rank('cuda').index}" if on_ranks else "cuda", say=print)
    from pipeline import kernels
    from pipeline.config.stages import PretrainConfig, RuntimeConfig
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.pretrain.training import Pretraining
    from pipeline.ranks.connecting import connect
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.training.loop import train

    exchange, note = connect()
    print("exchanged by", exchange, note, flush=True)
    ranks = ranks_of_this_process()
    if on_ranks:
        from tests.nccl_stand_in.connecting import counts as exchanged
    else:

        def exchanged() -> dict[str, int]:
            return {}

    config, dataset = PretrainConfig.model_validate(job.config), PreparedDataset.open(Path(job.data))
    kernels.use("fused")
    kernels.use_precision(config.schedule.precision)
    assert kernels.current() == "fused", kernels.note()
    steps: list[Step] = []

    class Counted(Pretraining):
        def train_step(self, state, batch):
            counts, thread, clock = read_counts(Path(job.library)), time.thread_time(), time.perf_counter()
            steps.append(Step(counts, thread, clock, batch.images.data.nbytes, exchanged()))
            return super().train_step(state, batch)

        def measured(self, state, outcome):
            return {}  # would read numbers that no kernel has written

        def warning(self, metrics):
            return None

    output = Path(job.output) / (f"rank{ranks.index}" if on_ranks else "")
    output.mkdir(exist_ok=True)
    runtime = RuntimeConfig(log_every_steps=job.log_every_steps, checkpoint_every_minutes=10**6)
    training = Counted(config, dataset, output, lambda epoch, state: None, None, ranks)
    train(training, output, runtime=runtime, report=lambda progress: None)
    write_json(output / "steps.json", [asdict(step) for step in steps])


def read_steps(output: Path) -> list[Step]:
    """Read what `main` has written."""
    with open(output / "steps.json") as stream:
        values = json.load(stream)
    return [Step(**{**value, "counts": Counts(**value["counts"])}) for value in values]


if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        main(Job(**json.load(job_file)))
