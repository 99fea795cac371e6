"""A sweep whose trials are chosen one after another, from the results so far."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.config.sweep import Changes, ObjectiveSection, SweepSection, trial_name
from pipeline.graph.optuna_sampler import check_installed, suggested
from pipeline.storage.files import read_json, write_json, write_text

FILE = "search.json"
TABLE = "search.md"
_FAILED_IN_A_ROW = 3  # then the values are not the reason


@dataclass(frozen=True)
class Trial:
    """One trial: its name, its values, and its result; None: it failed."""

    name: str
    changes: Changes
    result: float | None


class SearchRefused(ValueError):
    """The search cannot continue; the message says why."""


def search(
    sweep: SweepSection,
    folder: Path,
    *,
    run: Callable[[str, Changes], Path | None],
    say: Callable[[str], None],
) -> list[Trial]:
    """Choose and run trials up to the requested number; those recorded in `folder` are repeated.

    The record is written after every trial. Values come from the record, results from the current tables, so
    that a changed experiment continues the search from its new results.

    Args:
        sweep: a search, see `SweepSection.is_search`.
        folder: for the record and the table.
        run: brings a trial up to date; returns its table.json, or None if the trial failed.
        say: called with a line about every trial.

    Raises:
        SearchRefused: Optuna is missing, a table lacks the objective's row, or trials failed in a row.
    """
    try:
        check_installed()
    except ValueError as error:
        raise SearchRefused(str(error)) from error
    drawn, objective, done = sweep.random, sweep.objective, []
    space = {"values": drawn.choices, "seed": drawn.seed, "objective": objective.model_dump(mode="json")}
    space = json.loads(json.dumps(space))  # as when read again, without tuples
    known = _recorded(folder / FILE, space, say)
    maximize = objective.direction != "minimize"
    for number in range(drawn.num_trials):
        if number < len(known):
            changes = known[number]
        else:
            history = [(trial.changes, trial.result) for trial in done]
            changes = suggested(drawn.choices, history, seed=drawn.seed, maximize=maximize)
        name = trial_name(changes)
        say(f"trial {number + 1} of {drawn.num_trials}: {name}")
        table = run(name, changes)
        result = None
        if table is not None:
            result, higher_is_better = objective_of(table, objective)
            maximize = higher_is_better if objective.direction is None else maximize
        done.append(Trial(name, changes, result))
        trials = [asdict(trial) for trial in done]
        trials += [asdict(Trial(trial_name(later), later, None)) for later in known[number + 1 :]]
        write_json(folder / FILE, {"space": space, "trials": trials})
        if len(done) >= _FAILED_IN_A_ROW and all(each.result is None for each in done[-_FAILED_IN_A_ROW:]):
            raise SearchRefused(f"{_FAILED_IN_A_ROW} trials in a row failed, the last one is {name}")
        if result is not None:
            say(f"trial {number + 1} of {drawn.num_trials}: {_words(objective)} {result:.4g}")
    write_text(folder / TABLE, "\n".join(table_lines(done, objective, maximize=maximize)) + "\n")
    return done


def objective_of(table: Path, objective: ObjectiveSection) -> tuple[float, bool]:
    """The objective of a trial's table.json, and whether higher is better.

    Raises:
        SearchRefused: not exactly one row matches the objective, or it lacks the number.
    """
    wanted = objective.model_dump(include={"task", "metric", "arm", "dataset"}, exclude_none=True)
    rows = read_json(table)
    found = [row for row in rows if all(row[key] == word for key, word in wanted.items())]
    if len(found) != 1:
        near = [row for row in rows if row["arm"] == objective.arm] or rows
        words = sorted({f"{row['task']} {row['metric']} of {row['dataset']}" for row in (found or near)})
        raise SearchRefused(
            f"{table}: sweep.objective expected one row with {wanted}, found {len(found)}; "
            f"{'these have it' if found else 'there are'}: {', '.join(words)}"
        )
    value = found[0][objective.of]
    if value is None:
        raise SearchRefused(f"{table}: the row of sweep.objective has no {objective.of}: {wanted}")
    return value, found[0]["higher_is_better"]


def table_lines(trials: list[Trial], objective: ObjectiveSection, *, maximize: bool) -> list[str]:
    """All trials as a Markdown table, the best first, those that failed last."""
    from tabulate import tabulate

    sign = -1 if maximize else 1
    order = sorted(
        range(len(trials)),
        key=lambda i: (trials[i].result is None, sign * (trials[i].result or 0), i),
    )
    rows = [
        [
            number + 1,
            "failed" if trials[number].result is None else f"{trials[number].result:.6g}",
            *(str(value) for value in trials[number].changes.values()),
        ]
        for number in order
    ]
    headers = ["trial", _words(objective), *trials[0].changes]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True).splitlines()


def _recorded(path: Path, space: dict[str, Any], say: Callable[[str], None]) -> list[Changes]:
    """The recorded values of the trials of a search of this space."""
    try:
        record = read_json(path)
    except FileNotFoundError:
        return []
    if not isinstance(record, dict) or record.keys() != {"space", "trials"}:
        raise SearchRefused(f"{path}: a search's record has space and trials, found {type(record).__name__}")
    if record["space"] != space:
        say(f"{path} is of another search (values, seed, objective): it begins anew, trained trials stay")
        return []
    return [trial["changes"] for trial in record["trials"]]


def _words(objective: ObjectiveSection) -> str:
    measure = objective.task if objective.metric is None else f"{objective.task} {objective.metric}"
    return f"{measure} of {objective.arm}" + (" to the baseline" if objective.of == "difference" else "")
