"""Draws the states of an experiment's stages, and its losses, for a terminal."""

from itertools import pairwise

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.graph.plan import duration_text, of_unknown_duration, whole_seconds
from pipeline.graph.printable import printable
from pipeline.watch.losses import LossCurve
from pipeline.watch.states import DONE, RUNNING, STOPPED, WAITING, StageState

_STYLE = {DONE: "green", RUNNING: "bold cyan", STOPPED: "bold red", WAITING: "dim"}
_LEVELS = "▁▂▃▄▅▆▇█"
_CURVE_COLUMNS = 40


def screen(
    experiment: str,
    argument: str,
    states: list[StageState],
    losses: list[LossCurve],
    *,
    max_lines: int,
    at_once: int = 1,
) -> Group:
    """The stages, loss curves, warnings, and the remaining time.

    Args:
        argument: the value of `experiment=`.
        max_lines: of the table of stages; further finished and waiting stages are only counted.
        at_once: how many stages run in parallel.
    """
    parts = [_stages(states, max_lines)]
    if losses:
        parts.append(_curves(losses))
    notes = [printable(f"{state.label}: {note}") for state in states for note in state.notes]
    if notes:
        parts.append(Text("\n".join(["what its logs say is wrong:", *notes]), style="yellow"))
    parts.append(Text(closing_line(experiment, argument, states, at_once), style="bold"))
    return Group(*parts)


def closing_line(experiment: str, argument: str, states: list[StageState], at_once: int = 1) -> str:
    """A sentence on the experiment's progress and the expected time left."""
    count = {name: sum(state.state == name for state in states) for name in _STYLE}
    line = f"{experiment}: {count[DONE]} of {len(states)} stages are done"
    if count[DONE] == len(states):
        return line
    unknown = sum(state.remaining_seconds is None for state in states)
    left = duration_text(whole_seconds([state.remaining_seconds or 0 for state in states], at_once))
    line += f"; about {left} left, {f'{at_once} stages at once' if at_once > 1 else 'one stage at a time'}"
    line += f", and {of_unknown_duration(unknown)}" if unknown else ""
    if count[RUNNING]:
        return line
    return f"{line}; nothing runs now: doit run all experiment={argument} goes on with it"


def curve(values: list[float], columns: int = _CURVE_COLUMNS) -> str:
    """Values as a line of block characters, from lowest to highest; more values than columns are averaged."""
    columns = min(columns, len(values))
    edges = [len(values) * i // columns for i in range(columns + 1)] if columns else []
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means, default=0.0), max(means, default=0.0)
    if high == low:
        return _LEVELS[0] * len(means)
    return "".join(_LEVELS[round((mean - low) / (high - low) * (len(_LEVELS) - 1))] for mean in means)


def _stages(states: list[StageState], max_lines: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, justify in (("stage", "left"), ("", "left"), ("took", "right"), ("left", "right")):
        table.add_column(title, justify=justify, no_wrap=True)
    table.add_column("progress")  # the only column that shrinks on a narrow terminal
    for state in shown(states, max_lines):
        table.add_row(
            printable(state.label), state.state, _seconds(state.seconds),
            "" if state.state == DONE else _seconds(state.remaining_seconds),
            Text(_bar(state), no_wrap=True, overflow="ellipsis"),
            style=_STYLE[state.state],
        )  # fmt: skip
    hidden = len(states) - len(shown(states, max_lines))
    if hidden:
        table.add_row(f"... and {hidden} more", style="dim")
    return table


def shown(states: list[StageState], max_lines: int) -> list[StageState]:
    """All stages if they fit; else those around the running or stopped stages, or around the next one."""
    if len(states) <= max_lines:
        return states
    at_work = [i for i, state in enumerate(states) if state.state in (RUNNING, STOPPED)]
    waiting = [i for i, state in enumerate(states) if state.state == WAITING]
    centre = (at_work or waiting or [len(states) - 1])[0]
    first = min(max(centre - max_lines // 3, 0), len(states) - max_lines)
    return states[first : first + max_lines]


def _curves(losses: list[LossCurve]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = (("loss of", "left"), ("from", "right"), ("", "left"), ("to", "right"), ("step", "right"))
    for title, justify in columns:
        table.add_column(title, justify=justify, no_wrap=True)
    for loss in losses:
        first, last = loss.values[0], loss.values[-1]
        table.add_row(
            printable(loss.label), f"{first:.3g}", curve(loss.values), f"{last:.3g}", str(loss.step)
        )
    return table


def _bar(state: StageState) -> str:
    return printable(state.bar.removeprefix(f"{state.label}:").strip())


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else duration_text(seconds)
