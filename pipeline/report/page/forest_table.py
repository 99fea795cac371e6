"""A forest plot as a table, for phones, paper and screen readers: differences and their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from pipeline.report.answer import direction_of
from pipeline.report.display_names import pair_title, scored_title
from pipeline.report.tables import Line, interval_end, points

_MOST_TICKS = 5
_LEAST_EXTENT = 1.0  # percentage points; a smaller scale would make negligible differences look large


@dataclass(frozen=True)
class ForestRow:
    """One difference. Positions are in percent of the scale's width, from the left."""

    task: str
    pair: str  # "HSSL - iBOT"
    difference: str  # percentage points, with the standard deviation over several seeds
    interval: str  # "" if there is none
    verdict: str  # "better", "worse", "not told apart" or ""
    value: float  # sort key
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
        """The distinct pairs of the rows."""
        return list(dict.fromkeys(row.pair for row in self.rows))


def forest_table(lines: Sequence[Line]) -> ForestTable | None:
    """The table of all lines with a difference; None if there are none."""
    lines = [line for line in lines if line["difference"] is not None]
    if not lines:
        return None
    ends = ("difference", "difference_ci_low", "difference_ci_high")
    known = [0.0, *(100 * line[end] for line in lines for end in ends if line[end] is not None)]
    step = _step(max(known) - min(known))
    low, high = step * floor(min(known) / step), -step * floor(-max(known) / step)
    high = max(high, low + step)

    def position(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    ticks = [low + step * i for i in range(round((high - low) / step) + 1)]
    labelled = [(position(tick), f"{tick:+g}" if abs(tick) > step / 2 else "0") for tick in ticks]
    return ForestTable([_row(line, position) for line in lines], position(0), labelled)


def _row(line: Line, position: Callable[[float], float]) -> ForestRow:
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
        position(100 * line["difference"]),
        position(100 * low) if has else None,
        round(position(100 * high) - position(100 * low), 2) if has else None,
    )


def _step(extent: float) -> float:
    """Distance of the scale's ticks: 1, 2 or 5 times a power of ten, for at most `_MOST_TICKS` steps."""
    least = max(extent, _LEAST_EXTENT) / _MOST_TICKS
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
