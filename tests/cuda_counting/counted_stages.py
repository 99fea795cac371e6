"""Runs one stage with the counting libraries, as a user's experiment runs it, and writes the counts.

A process of its own: `python -m tests.cuda_counting.counted_stages STAGE JOB.json`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.storage.files import write_json
from tests.cuda_counting.counted_library import Counts, read_counts
from tests.cuda_counting.stage_runs import STAGES, Job

_ATOMIC = re.compile(r"atomic\w*\(|cuda_atomic_\w+\(")  # a call, not the header


@dataclass(frozen=True)
class StageCounts:
    """What a stage did with the device, from its start on, and in each of its training steps.

    The first step and the last one are read for the log; a step ends where the next batch is asked for.
    """

    whole: Counts
    steps: list[Counts]
    num_read: int  # arrays that the stage asked Jittor for
    read_in_steps: list[int]
    operators: list[str]  # that Jittor compiled, and this process has loaded: files of their sources
    on_processor: list[str]  # of these, for the processor
    atomic: list[str]  # of these, those that add in no fixed order, so that two runs may differ


def main(stage: str, job: Job) -> None:
    """Run the stage, and write its counts into `counts.json`."""
    from pipeline.runtime.start_jittor import start

    start("cuda", threads=1, say=print)
    import jittor as jt

    from pipeline import kernels
    from pipeline.training import loop

    library, output = Path(job.library), Path(job.output)
    num_read = 0

    def counting(read: Callable[..., Any], num_arrays: Callable[..., int]) -> Callable[..., Any]:
        def counted(value: Any) -> Any:
            nonlocal num_read
            num_read += num_arrays(value)
            return read(value)

        return counted

    for name in ("numpy", "item"):
        setattr(jt.Var, name, counting(getattr(jt.Var, name), lambda value: 1))
    jt.fetch_sync = counting(jt.fetch_sync, len)
    ends: list[tuple[Counts, int]] = []
    prefetch = loop.prefetch

    def marked(*arguments: Any, **named: Any) -> Iterator[Any]:
        ends.append((read_counts(library), num_read))
        for batch in prefetch(*arguments, **named):
            yield batch
            ends.append((read_counts(library), num_read))

    loop.prefetch = marked
    kernels.use("fused")
    assert kernels.current() == "fused", kernels.note()
    first = read_counts(library)
    STAGES[stage](output, job)
    jt.sync_all()
    sources = _loaded_operators()
    found = StageCounts(
        whole=read_counts(library).since(first),
        steps=[after.since(before) for (before, _), (after, _) in pairwise(ends)],
        num_read=num_read,
        read_in_steps=[after - before for (_, before), (_, after) in pairwise(ends)],
        operators=[source.name for source in sources],
        on_processor=[source.name for source in sources if "JIT_cpu" in source.name],
        atomic=[source.name for source in sources if _ATOMIC.search(source.read_text())],
    )
    write_json(output / "counts.json", asdict(found))


def _loaded_operators() -> list[Path]:
    """Sources of the operators in this process, in the order of their names."""
    libraries = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    return sorted(Path(name).with_suffix(".cc") for name in libraries if name.endswith("_op.so"))


def read_stage_counts(output: Path) -> StageCounts:
    """Read what `main` has written."""
    with open(output / "counts.json") as stream:
        values = json.load(stream)
    whole, steps = Counts(**values["whole"]), [Counts(**step) for step in values["steps"]]
    return StageCounts(**{**values, "whole": whole, "steps": steps})


if __name__ == "__main__":
    with open(sys.argv[2]) as job_file:
        main(sys.argv[1], Job(**json.load(job_file)))
