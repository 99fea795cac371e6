"""The whole benchmark: the machine's peak first, then row by row, written as it grows."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.benchmark.asking import AskedSide, SideFailed
from pipeline.benchmark.comparing import Disagreement
from pipeline.benchmark.machine import describe_machine
from pipeline.benchmark.measuring import PATIENCE_SECONDS, measure_row
from pipeline.benchmark.report import write_report
from pipeline.benchmark.rows import Row

Say = Callable[[str], None]


def run_benchmark(
    rows: tuple[Row, ...], folder: Path, *, root: Path, repeats: int | None, say: Say
) -> list[str]:
    """Measure the rows and write benchmark.json and benchmark.md into `folder` after each.

    Returns:
        What failed, a line each; the other rows are measured all the same.
    """
    threads = len(os.sched_getaffinity(0))
    say("matmul peak ...")
    peak = measured_peak(root, threads)
    say(f"matmul peak: {peak:.0f} GFLOP/s on {threads} thread(s)")
    machine = describe_machine(threads, peak)
    entries: list[dict[str, Any]] = []
    failures = []
    for row in rows:
        try:
            entries.append(
                measure_row(row, root=root, threads=threads, peak_gflops=peak, repeats=repeats, say=say)
            )
        except (SideFailed, Disagreement) as error:
            failures.append(f"{row.name}: {error}")
            say(f"{row.name} FAILED: {error}")
        write_report(folder, entries, machine, {})
    return failures


def measured_peak(root: Path, threads: int) -> float:
    """GFLOP/s of the fastest matrix product."""
    limits = {"root": root, "threads": threads, "patience": PATIENCE_SECONDS}
    with (
        TemporaryDirectory(prefix="hssl-benchmark-") as folder,
        AskedSide("matmul-peak", {}, Path(folder), **limits) as side,
    ):
        return max(side.repeat() for _ in range(3))
