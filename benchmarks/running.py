"""Runs the whole benchmark: the matmul peak, then row by row with intermediate reports, then growth."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from benchmarks.growth import AXES, Size, measure_axis
from benchmarks.growth_report import write_growth
from benchmarks.history import against_before, description_of, history_file, remember, remembered
from benchmarks.image_axes import IMAGE_AXES
from benchmarks.machine import describe_machine
from benchmarks.measuring import PATIENCE_SECONDS, measure_row
from benchmarks.report import JSON_NAME, write_report
from benchmarks.row import Row
from benchmarks.side_by_side import MIN_REPEATS, Disagreement
from benchmarks.worker_process import WorkerFailed, WorkerProcess
from pipeline.runtime.cuda.cards import installed_driver
from pipeline.runtime.processor import model_and_flags
from pipeline.storage.git_commit import git_commit

LATE_SECONDS = 600.0  # after so long, further rows are repeated as little as possible
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """The benchmark that the user asked for."""

    rows: tuple[Row, ...]
    growth: bool  # whether to measure how time and memory grow
    repeats: int | None = None  # upper limit for every row; None: each row's own number
    size: Size = "usual"  # "large" measures only growth with images, up to the largest intended size
    device: Literal["cpu", "cuda"] = "cpu"

    @property
    def is_remembered(self) -> bool:
        """Whether its rows belong to the history of this kind of processor."""
        return self.size == "usual" and self.device == "cpu"


def run_benchmark(plan: Plan, folder: Path, *, root: Path, say: Say) -> list[str]:
    """Run the benchmark, and write benchmark.json, benchmark.md and scaling.md into `folder`.

    Args:
        root: the project's folder.
        say: prints a line before and after each row.

    Returns:
        A line for each failure; the other rows are still measured.
    """
    threads = len(os.sched_getaffinity(0))
    started = time.monotonic()
    say("matmul peak (on a new machine, Jittor's core is compiled first: minutes) ...")
    peak = measured_peak(root, threads, plan.device)
    say(f"matmul peak: {peak:.0f} GFLOP/s on {threads} thread(s)")
    machine = describe_machine(threads, peak)
    history = history_file(model_and_flags(), threads)
    runs = remembered(history)
    if plan.device == "cuda":
        # The peak of a GPU is in another precision than a processor's.
        machine = {"GPU": _card(), **machine, "bfloat16 matmul peak": machine.pop("fp32 matmul peak")}
    entries: list[dict[str, Any]] = []
    failures = []
    for row in plan.rows:
        if row.impossible():
            say(f"{row.name}: not measured here: {row.impossible()}")
            continue
        late = time.monotonic() - started > LATE_SECONDS
        repeats = MIN_REPEATS if late else plan.repeats
        try:
            entries.append(
                measure_row(row, root=root, threads=threads, peak_gflops=peak, repeats=repeats, say=say)
            )
        except (WorkerFailed, Disagreement) as error:
            failures.append(f"{row.name}: {error}")
            say(f"{row.name} FAILED: {error}")
        else:
            entry = entries[-1]
            if plan.is_remembered:
                rng = np.random.default_rng(0)
                entry["before"] = against_before(entry, runs, peak_gflops=peak, rng=rng)
                if entry["before"]:
                    say(description_of(row.name, entry["before"]))
        machine["duration"] = f"{(time.monotonic() - started) / 60:.1f} minutes"
        write_report(folder, entries, machine)
    if plan.is_remembered:
        remember(history, entries, peak_gflops=peak, commit=git_commit())
    if plan.growth:
        failures += _measure_growth(folder, machine, root=root, threads=threads, size=plan.size, say=say)
    return failures


def _card() -> str:
    driver = installed_driver()
    card = driver.cards[0]
    version = ".".join(map(str, driver.version))
    return f"{card.name}, {card.memory_bytes / 2**30:.0f} GiB, a driver for CUDA {version}"


def _measure_growth(
    folder: Path, machine: dict[str, str], *, root: Path, threads: int, size: Size, say: Say
) -> list[str]:
    found, failures = [], []
    patience = 8 * PATIENCE_SECONDS if size == "large" else PATIENCE_SECONDS
    for axis in IMAGE_AXES if size == "large" else (*AXES, *IMAGE_AXES):
        say(f"growth with {axis.quantity} ...")
        try:
            points = measure_axis(axis, root=root, threads=threads, patience=patience, size=size)
        except WorkerFailed as error:
            failures.append(f"growth with {axis.quantity}: {error}")
            say(f"growth with {axis.quantity} FAILED: {error}")
            continue
        found.append((axis, points))
        seconds = ", ".join(f"{point.value}: {point.seconds:.3g} s" for point in points)
        say(f"growth with {axis.quantity}: {seconds}")
    write_growth(folder, found, machine, _step_rate(folder / JSON_NAME))
    return failures


def _step_rate(path: Path) -> float | None:
    """GFLOP/s of the ViT-S/16 step in benchmark.json, of this or an earlier run; None without one."""
    if not path.is_file():
        return None
    entries = json.loads(path.read_text(encoding="utf-8"))
    return next((entry["gflops"] for entry in entries if entry["name"] == "step-vit-small"), None)


def measured_peak(root: Path, threads: int, device: str = "cpu") -> float:
    """GFLOP/s of the fastest matrix product: float32 on a processor, bfloat16 on a GPU that supports it."""
    limits = {"root": root, "threads": threads, "patience": PATIENCE_SECONDS}
    with (
        TemporaryDirectory(prefix="hssl-benchmark-") as folder,
        WorkerProcess("matmul-peak", {"device": device}, Path(folder), **limits) as worker,
    ):
        return max(worker.repeat() for _ in range(3))
