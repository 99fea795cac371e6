"""Measures two programs in turn (ours, other, ours, other, ...), with medians and quartiles."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

MIN_REPEATS = 2
SETTLE_SECONDS = 0.05  # pause before a repeat, until the other process's threads stop spinning
MAX_IDLE_SHARE = 0.05  # share of a core that the idle process may use


class Worker(Protocol):
    """A prepared program, see `worker_process.WorkerProcess`."""

    check: dict[str, float]

    def repeat(self) -> float: ...

    def cpu_seconds(self) -> float: ...


class Disagreement(RuntimeError):
    """The two programs do not compute the same."""


@dataclass(frozen=True)
class Measured:
    """The repeats of one program."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Lower and upper quartile; for fewer than 4 values the extremes."""
        if len(self.values) < 4:
            return min(self.values), max(self.values)
        lower, _, upper = statistics.quantiles(self.values, n=4, method="inclusive")
        return lower, upper


@dataclass(frozen=True)
class SideBySide:
    """Both programs' repeats."""

    ours: Measured
    other: Measured | None
    order: tuple[str, ...]  # program of each repeat
    idle_share: float  # share of a core that the idle process used


def check_agreement(ours: dict[str, float], other: dict[str, float], tolerance: float) -> None:
    """Compare the numbers that both programs check before timing.

    Raises:
        Disagreement: a number is missing in one, or the relative difference is above `tolerance`.
    """
    if set(ours) != set(other):
        raise Disagreement(f"the programs checked different things: {sorted(ours)} and {sorted(other)}")
    for name, value in ours.items():
        if not abs(value - other[name]) <= tolerance * max(abs(value), abs(other[name])):
            raise Disagreement(f"{name}: ours found {value:.6g}, the other {other[name]:.6g}")


def compare(
    ours: Worker,
    other: Worker | None,
    *,
    repeats: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    settle: Callable[[float], None] = time.sleep,
) -> SideBySide:
    """Measure the programs in turn.

    Args:
        repeats: largest number of rounds.
        seconds: no new round begins if all rounds with it would take longer; but there are at least
            `MIN_REPEATS` rounds (or `repeats`, if that is less).
    """
    workers = {"ours": ours} | ({"other": other} if other is not None else {})
    values: dict[str, list[float]] = {name: [] for name in workers}
    order, used_seconds, idle_seconds = [], 0.0, 0.0
    started = clock()
    for done in range(repeats):
        elapsed = clock() - started
        if done >= MIN_REPEATS and elapsed * (done + 1) / done > seconds:
            break
        for name, worker in workers.items():
            settle(SETTLE_SECONDS)
            idle = [each for key, each in workers.items() if key != name]
            used_before, begun = sum(each.cpu_seconds() for each in idle), clock()
            values[name].append(worker.repeat())
            order.append(name)
            if idle:
                used_seconds += sum(each.cpu_seconds() for each in idle) - used_before
                idle_seconds += clock() - begun
    return SideBySide(
        ours=Measured(tuple(values["ours"])),
        other=Measured(tuple(values["other"])) if other is not None else None,
        order=tuple(order),
        idle_share=used_seconds / idle_seconds if idle_seconds else 0.0,
    )
