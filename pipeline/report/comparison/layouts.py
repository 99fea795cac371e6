"""Tables of several experiments, for a terminal and for a page: by arm, by data set, or by settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.comparison.differences import Difference
from pipeline.report.comparison.finished import Finished
from pipeline.report.display_names import task_name
from pipeline.report.tables import Line, headlines, interval_end, points

_MOST_KEYS = 3
Cell = tuple[str, ...]  # a value, and lines in small type below it
Key = tuple[str, str, str]  # task, metric, arm


@dataclass(frozen=True)
class Table:
    """Headers and rows; the first columns name the row."""

    headers: list[str]
    rows: list[list[Cell]]
    num_names: int  # number of those columns


@dataclass(frozen=True)
class Compared:
    """Experiments with their differences, from which the tables are made."""

    experiments: Sequence[Finished]
    settings: dict[str, list[str]]  # those that differ: key -> value of each experiment
    differences: Sequence[Difference]

    def lines(self, *, every: bool) -> list[dict[Key, Line]]:
        """The lines of each experiment, by key: of every metric, or of each task's headline metric."""
        chosen = [each.lines if every else headlines(each.lines) for each in self.experiments]
        return [{(task_name(line), line["metric"], line["arm"]): line for line in lines} for lines in chosen]


def by_arm(compared: Compared, *, every: bool = False) -> list[Table]:
    """A row per task, metric and arm; a column per experiment, then paired differences to the first."""
    lines, names = compared.lines(every=every), [each.label for each in compared.experiments]
    found = {(each.other, each.task, each.metric, each.arm): each for each in compared.differences}
    with_difference = list(dict.fromkeys(each.other for each in compared.differences))
    headers = ["task", "metric", "arm", *(f"{name} (%)" for name in names)]
    headers += [f"{other} - {names[0]}" for other in with_difference]
    rows = [
        [*((part,) for part in key), *(_value(of.get(key)) for of in lines)]
        + [
            _difference(found.get((each.label, *key))) if key in lines[0] and key in of else ("",)
            for each, of in zip(compared.experiments, lines, strict=True)
            if each.label in with_difference
        ]
        for key in _keys(lines)
    ]
    return [Table(headers, rows, 3)] if rows else []


def by_dataset(compared: Compared, *, every: bool = False) -> list[Table]:
    """A column per data set: values, and below them each arm's difference to its baseline there.

    Tasks that were measured on the same data sets share a table.
    """
    lines, names = compared.lines(every=every), [each.label for each in compared.experiments]
    groups: dict[tuple[str, ...], list[Key]] = {}
    sets = {(key[0], at): line["dataset"] for at, of in enumerate(lines) for key, line in of.items()}
    for key in _keys(lines):
        groups.setdefault(tuple(sets.get((key[0], at), "") for at in range(len(names))), []).append(key)
    tables = []
    for datasets, keys in groups.items():
        columns = [at for at, dataset in enumerate(datasets) if dataset]
        once = len({datasets[at] for at in columns}) == len(columns)
        heads = [f"{datasets[at]} (%)" if once else f"{datasets[at]}, {names[at]} (%)" for at in columns]
        rows = [
            [*((part,) for part in key), *(_with_gain(lines[at].get(key)) for at in columns)] for key in keys
        ]
        tables.append(Table(["task", "metric", "arm", *heads], rows, 3))
    return tables


def by_config(compared: Compared, *, every: bool = False) -> list[Table]:
    """A row per arm and experiment, with the settings that differ; a column per task and metric.

    Rows of one arm are adjacent and sorted by these settings, so that a column shows their effect. If more
    than three settings differ, only the experiment's name is shown.
    """
    shown = compared.settings if len(compared.settings) <= _MOST_KEYS else {}
    lines = compared.lines(every=every)
    order = sorted(range(len(lines)), key=lambda at: [_sortable(of[at]) for of in compared.settings.values()])
    columns = list(dict.fromkeys(key[:2] for key in _keys(lines)))
    arms = list(dict.fromkeys(key[2] for key in _keys(lines)))
    headers = ["arm", "experiment", *shown, *(f"{task} {metric} (%)" for task, metric in columns)]
    rows = []
    for arm in arms:
        for at in order:
            if any(key[2] == arm for key in lines[at]):
                names = [arm, compared.experiments[at].label, *(of[at] for of in shown.values())]
                values = [_value(lines[at].get((*column, arm))) for column in columns]
                rows.append([*((name,) for name in names), *values])
    return [Table(headers, rows, 2 + len(shown))] if rows else []


LAYOUTS = {"arm": by_arm, "dataset": by_dataset, "config": by_config}


def _keys(lines: Sequence[dict[Key, Line]]) -> list[Key]:
    """The keys of all experiments, grouped by task and metric, in the order of first occurrence."""
    every = list(dict.fromkeys(key for of in lines for key in of))
    order = {pair: index for index, pair in enumerate(dict.fromkeys(key[:2] for key in every))}
    return sorted(every, key=lambda key: order[key[:2]])


def _sortable(text: str) -> tuple[int, float, str]:
    """A sort key: numbers by value, before other text."""
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)


def _value(line: Line | None) -> Cell:
    if line is None:
        return ("",)
    value = f"{100 * line['value']:.1f}"
    if line.get("std") is not None:
        value += f" ± {100 * line['std']:.1f}"
    low, high = line.get("ci_low"), line.get("ci_high")
    return (value,) if low is None else (value, f"[{100 * low:.1f}, {100 * high:.1f}]")


def _with_gain(line: Line | None) -> Cell:
    """The value, and the difference to its baseline."""
    if line is None or line.get("difference") is None:
        return _value(line)
    low, high = line.get("difference_ci_low"), line.get("difference_ci_high")
    interval = "" if low is None else f" [{interval_end(low)}, {interval_end(high)}]"
    return (*_value(line), f"{points(line['difference'])}{interval} vs {line['baseline']}")


def _difference(found: Difference | None) -> Cell:
    if found is None:
        return ("not compared",)
    if found.low is None:
        return (points(found.value), "no interval")
    return (points(found.value), f"[{interval_end(found.low)}, {interval_end(found.high)}]")
