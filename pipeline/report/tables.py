"""Rows of several arms and seeds -> lines of a table, with intervals and differences to the baseline."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.config.tables import TablesConfig
from pipeline.measures.intervals.values_and_differences import difference_interval, value_interval
from pipeline.measures.rows import Row
from pipeline.report.display_names import task_name
from pipeline.report.evidence import needed_seeds

Line = dict[str, Any]


def table_lines(
    rows: list[Row], config: TablesConfig, num_steps: Mapping[str, int] | None = None
) -> list[Line]:
    """One line per task, metric and arm; values are fractions.

    Args:
        rows: of every arm and seed, on the experiment's own images and on further data sets.
        config: order of arms, baseline, confidence.
        num_steps: pretraining steps by arm, for arms that have any.

    Returns:
        Lines with experiment, arm, task, metric, value, std, ci_low, ci_high, confidence (of both intervals),
        difference, difference_std, difference_ci_low, difference_ci_high, baseline, seeds, dataset, split,
        num_images, protocol, higher_is_better, fingerprint, num_steps, seeds_to_show, and floors: the
        interval of the difference to each floor. Values that do not apply are None. Lines of a further data
        set have its name as `evaluation`; lines over draws of the training images have their number, `draws`.

    Raises:
        ValueError: rows of one task and metric differ in data set, split, number of images or seeds.
    """
    groups: dict[tuple[str | None, str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in _with_each_floor_once(rows):
        groups[row.evaluation, row.task, row.metric][row.arm].append(row)
    measured = tuple(dict.fromkeys(row.arm for row in rows if row.is_floor))
    lines = []
    for (_, task, metric), arms in groups.items():
        _comparable(task, metric, [row for group in arms.values() for row in group])
        for arm in (arm for arm in (*config.arms, *measured) if arm in arms):
            group = sorted(arms[arm], key=lambda row: row.seed)
            line = _line(group, config)
            name = config.compared_with.get(arm, config.baseline)
            other = sorted(arms.get(name, []), key=lambda row: row.seed) if arm != name else []
            line |= _difference(group, other, config) | {"baseline": name}
            floors = {
                floor: difference_interval(group, sorted(arms[floor], key=lambda row: row.seed), config)
                for floor in (*config.floors, *measured)
                if floor in arms and floor != arm
            }
            line |= {"num_steps": (num_steps or {}).get(arm), "seeds_to_show": needed_seeds(line)}
            lines.append(line | {"floors": {floor: list(interval) for floor, interval in floors.items()}})
    return lines


def headlines(lines: list[Line]) -> list[Line]:
    """The lines of each task's headline metric: its first metric without a variant ("_k20") in its name."""
    chosen: dict[str, str] = {}
    for line in lines:
        if "_" not in line["metric"]:
            chosen.setdefault(task_name(line), line["metric"])
    return [line for line in lines if chosen.get(task_name(line)) == line["metric"]]


def points(fraction: float) -> str:
    """A difference in percentage points, with its sign and one decimal; never -0.0."""
    return f"{round(100 * fraction, 1) + 0.0:+.1f}"


def interval_end(fraction: float) -> str:
    """An end of a difference's interval, as `points` but with its sign where it rounds to nothing.

    So [-0.2, -0.0] is seen to exclude 0, as [-0.2, +0.0] does not.
    """
    return f"{100 * fraction + 0.0:+.1f}"


def _with_each_floor_once(rows: list[Row]) -> list[Row]:
    """The rows without floors that another arm's probe has measured already."""
    found: dict[tuple, Row] = {}
    for row in rows:
        of_arm = None if row.is_floor else id(row)
        found.setdefault((row.evaluation, row.task, row.metric, row.arm, row.seed, of_arm), row)
    return list(found.values())


def _comparable(task: str, metric: str, rows: list[Row]) -> None:
    for name in ("dataset", "split", "num_images"):
        found = {getattr(row, name) for row in rows}
        if len(found) > 1:
            raise ValueError(f"{task} {metric}: rows cannot be compared, {name} differs: {sorted(found)}")
    seeds = {arm: {row.seed for row in rows if row.arm == arm} for arm in {row.arm for row in rows}}
    if len({frozenset(s) for s in seeds.values()}) > 1:
        raise ValueError(f"{task} {metric}: arms have different seeds: {seeds}")


def _line(group: list[Row], config: TablesConfig) -> Line:
    first, values = group[0], np.array([row.value for row in group])
    low, high = value_interval(group, config)
    added = {} if first.evaluation is None else {"evaluation": first.evaluation}
    added |= {} if first.by_draw is None else {"draws": len(first.by_draw)}
    return {
        "experiment": config.experiment,
        "arm": first.arm,
        "task": first.task,
        "metric": first.metric,
        "value": float(values.mean()),
        "std": _std(values),
        "ci_low": low,
        "ci_high": high,
        "confidence": config.confidence,
        "seeds": [row.seed for row in group],
        "dataset": first.dataset,
        "split": first.split,
        "num_images": first.num_images,
        "protocol": first.protocol,
        "higher_is_better": first.higher_is_better,
        "fingerprint": " ".join(row.fingerprint for row in group),
    } | added


def _difference(group: list[Row], base: list[Row], config: TablesConfig) -> Line:
    names = ("difference", "difference_std", "difference_ci_low", "difference_ci_high")
    if not base:
        return dict.fromkeys(names)
    differences = np.array([row.value - other.value for row, other in zip(group, base, strict=True)])
    low, high = difference_interval(group, base, config)
    values = (float(differences.mean()), _std(differences), low, high)
    return dict(zip(names, values, strict=True))


def _std(values: np.ndarray) -> float | None:
    """Sample standard deviation over seeds; None for one seed."""
    return float(values.std(ddof=1)) if values.size > 1 else None
