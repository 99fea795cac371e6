"""Differences and their intervals as a table with a scale: for a phone, for paper and for screen readers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from pipeline.report.answer import direction_of
from pipeline.report.display_names import pair_title, scored_title
from pipeline.report.tables import Line, interval_end, points

_MOST_TICKS = 5
_LEAST_EXTENT = 1.0  # points: on a smaller scale what is no difference would look like one


@dataclass(frozen=True)
class ForestRow:
    """One difference. Places are percent of the scale's width, from its left."""

    task: str
    pair: str  # "HSSL - iBOT"
    difference: str  # points, with the deviation over seeds where there are several
    interval: str  # "" where there is none
    verdict: str  # "better", "worse", "not told apart" or ""
    value: float  # what the column is sorted by
    at: float
    low: float | None
    width: float | None


@dataclass(frozen=True)
class ForestTable:
    """Rows on one scale."""

    rows: list[ForestRow]
    zero: float
    ticks: list[tuple[float, str]]

    @property
    def pairs(self) -> list[str]:
        """What is compared with what."""
        return list(dict.fromkeys(row.pair for row in self.rows))


def forest_table(lines: Sequence[Line]) -> ForestTable | None:
    """Rows of the lines that have a difference; None where none has."""
    lines = [line for line in lines if line["difference"] is not None]
    if not lines:
        return None
    ends = ("difference", "difference_ci_low", "difference_ci_high")
    known = [0.0, *(100 * line[end] for line in lines for end in ends if line[end] is not None)]
    step = _step(max(known) - min(known))
    low, high = step * floor(min(known) / step), -step * floor(-max(known) / step)
    high = max(high, low + step)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    ticks = [low + step * i for i in range(round((high - low) / step) + 1)]
    told = [(place(tick), f"{tick:+g}" if abs(tick) > step / 2 else "0") for tick in ticks]
    return ForestTable([_row(line, place) for line in lines], place(0), told)


def _row(line: Line, place: Callable[[float], float]) -> ForestRow:
    low, high = line["difference_ci_low"], line["difference_ci_high"]
    spread = line.get("difference_std")
    has = low is not None
    return ForestRow(
        scored_title(line),
        line.get("pair") or pair_title(line),
        points(line["difference"]) + ("" if spread is None else f" ± {points(spread)[1:]}"),
        f"{interval_end(low)} to {interval_end(high)}" if has else "",
        direction_of(low, high, line.get("higher_is_better", True)) if has else "",
        100 * line["difference"],
        place(100 * line["difference"]),
        place(100 * low) if has else None,
        round(place(100 * high) - place(100 * low), 2) if has else None,
    )


def _step(extent: float) -> float:
    """Of the scale's ticks: 1, 2 or 5 times a power of ten, so that there are few."""
    least = max(extent, _LEAST_EXTENT) / _MOST_TICKS
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
