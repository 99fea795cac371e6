"""Ours, other, ours, other, ...: two sides measured in turn, with medians and quartiles."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

MIN_REPEATS = 2
SETTLE_SECONDS = 0.05  # before a repeat: the other side's threads stop spinning
MAX_IDLE_SHARE = 0.05  # of a core, that a waiting side may use


class Asked(Protocol):
    """A prepared side, see `asking.AskedSide`."""

    check: dict[str, float]

    def repeat(self) -> float: ...

    def cpu_seconds(self) -> float: ...


class Disagreement(RuntimeError):
    """The two sides do not compute the same."""


@dataclass(frozen=True)
class Measured:
    """The repeats of one side."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Lower and upper quartile; of fewer than 4 values the extremes."""
        if len(self.values) < 4:
            return min(self.values), max(self.values)
        lower, _, upper = statistics.quantiles(self.values, n=4, method="inclusive")
        return lower, upper


@dataclass(frozen=True)
class Compared:
    """Both sides' repeats."""

    ours: Measured
    other: Measured | None
    order: tuple[str, ...]  # who was asked when
    idle_share: float  # of a core, that the waiting side used


def check_agreement(ours: dict[str, float], other: dict[str, float], tolerance: float) -> None:
    """Compare what both sides found before anything is timed.

    Raises:
        Disagreement: a quantity is missing on one side, or differs by more than `tolerance`, relatively.
    """
    if set(ours) != set(other):
        raise Disagreement(f"the sides checked different things: {sorted(ours)} and {sorted(other)}")
    for name, value in ours.items():
        if not abs(value - other[name]) <= tolerance * max(abs(value), abs(other[name])):
            raise Disagreement(f"{name}: ours found {value:.6g}, the other {other[name]:.6g}")


def compare(
    ours: Asked,
    other: Asked | None,
    *,
    repeats: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    settle: Callable[[float], None] = time.sleep,
) -> Compared:
    """Ask the sides in turn.

    Args:
        repeats: of each side, at most.
        seconds: no new round begins when the rounds so far, and the next one, would take longer; but there
            are at least `MIN_REPEATS` rounds (or `repeats`, if that is less).
    """
    sides = {"ours": ours} | ({"other": other} if other is not None else {})
    values: dict[str, list[float]] = {name: [] for name in sides}
    order, idle_seconds, waited_seconds = [], 0.0, 0.0
    started = clock()
    for done in range(repeats):
        elapsed = clock() - started
        if done >= MIN_REPEATS and elapsed * (done + 1) / done > seconds:
            break
        for name, side in sides.items():
            settle(SETTLE_SECONDS)
            waiting = [entry for key, entry in sides.items() if key != name]
            before, asked = sum(entry.cpu_seconds() for entry in waiting), clock()
            values[name].append(side.repeat())
            order.append(name)
            if waiting:
                idle_seconds += sum(entry.cpu_seconds() for entry in waiting) - before
                waited_seconds += clock() - asked
    return Compared(
        ours=Measured(tuple(values["ours"])),
        other=Measured(tuple(values["other"])) if other is not None else None,
        order=tuple(order),
        idle_share=idle_seconds / waited_seconds if waited_seconds else 0.0,
    )
