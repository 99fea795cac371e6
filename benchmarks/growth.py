"""Measures how time and memory grow with one quantity at a time, and fits the exponent of a power law."""

import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.worker_process import WorkerProcess

_REPEATS = 3
_LONG_SECONDS = 60.0  # what takes longer is measured once
Size = Literal["usual", "toy", "large"]


@dataclass(frozen=True)
class Axis:
    """A quantity that grows; `parameters` maps its value to the program's parameters."""

    quantity: str
    program: str
    values: tuple[int, ...]
    toy_values: tuple[int, ...]
    parameters: Callable[[int], dict[str, Any]]
    description: str  # of the fixed quantities
    large_values: tuple[int, ...] = ()  # up to the largest intended size; empty: `values`

    def chosen_values(self, size: Size) -> tuple[int, ...]:
        """The values to measure."""
        return {"toy": self.toy_values, "large": self.large_values}.get(size) or self.values


@dataclass(frozen=True)
class Point:
    """One measurement: seconds of a repeat, and MiB in addition to the process's memory at its start."""

    value: int
    seconds: float
    mib: float


def _step(changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    base = {
        "backbone": {"size": "custom", "image_size": 32, "patch_size": 4, "embed_dim": 96, "depth": 4,
                     "num_heads": 3},
        "crops": {"global_size": 32},
        "projection_head": {"hidden_dim": 256, "bottleneck_dim": 64, "num_prototypes": 1024},
        "schedule": {"batch_size": 16},
    }  # fmt: skip
    sections = {name: base[name] | changes.get(name, {}) for name in base}
    return {"size": "toy", "changes": sections, "checked": 2}


_STEP = "pretraining step, 4 blocks of width 96, 32 px, patches of 4 px, batch 16, K 1024"
AXES: tuple[Axis, ...] = (
    Axis(
        "batch", "our-step", (8, 16, 32, 64), (2, 4),
        lambda images: _step({"schedule": {"batch_size": images}}), _STEP,
    ),
    Axis(
        "tokens of a crop", "our-step", (16, 64, 144, 256, 576), (16, 64),
        lambda tokens: _step({
            "backbone": {"image_size": 4 * math.isqrt(tokens)},
            "crops": {"global_size": 4 * math.isqrt(tokens)},
        }), _STEP,
    ),
    Axis(
        "prototypes", "our-step", (1024, 4096, 16384, 65536), (64, 256),
        lambda prototypes: _step({"projection_head": {"num_prototypes": prototypes}}), _STEP,
    ),
    Axis(
        "images in the bank", "our-search", (12_500, 25_000, 50_000, 100_000), (200, 400),
        lambda rows: {"bank": rows, "queries": 2000}, "k-NN of 2,000 queries, 384 channels",
    ),
    Axis(
        "classes", "our-sweep", (10, 20, 40, 80), (2, 4),
        lambda classes: {"images": 4096, "channels": 384, "classes": classes},
        "linear probe at 45 rates, 4,096 images of 384 channels",
    ),
)  # fmt: skip


def measure_axis(
    axis: Axis, *, root: Path, threads: int, patience: float, size: Size = "usual"
) -> list[Point]:
    """Measure every value in a process of its own.

    Raises:
        WorkerFailed: a process failed.
    """
    points = []
    for value in axis.chosen_values(size):
        with tempfile.TemporaryDirectory(prefix="hssl-benchmark-") as folder:
            worker = WorkerProcess(
                axis.program,
                axis.parameters(value),
                Path(folder),
                root=root,
                threads=threads,
                patience=patience,
            )
            with worker:
                repeats = [worker.repeat()]
                while len(repeats) < _REPEATS and repeats[0] < _LONG_SECONDS:
                    repeats.append(worker.repeat())
                seconds = statistics.median(repeats)
                points.append(Point(value, seconds, worker.peak_rss_mib - worker.extra["start_mib"]))
    return points


def fitted_exponent(values: Sequence[float], measured: Sequence[float]) -> float:
    """Exponent b of the power law a value^b, fitted to `measured` by least squares of the logarithms.

    Raises:
        ValueError: fewer than two different values, or a value that is not positive.
    """
    if len(set(values)) < 2 or min(*values, *measured) <= 0:
        raise ValueError(f"a power law needs two positive points or more, got {values} and {measured}")
    x, y = [math.log(value) for value in values], [math.log(value) for value in measured]
    return statistics.linear_regression(x, y).slope
