"""A sweep: the experiment with other values of any keys; each combination is a trial."""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.section import NonNegativeInt, PositiveInt, Section

Changes = dict[str, Any]  # dotted key of the experiment -> its value in a trial
MOST_TRIALS = 1000
_MOST_LETTERS = 40  # of a trial's name, because it is part of a folder's name
_RANGE = {"low", "high", "log"}


class RandomTrials(Section):
    """Trials whose values are drawn; more trials of the same seed leave the first ones as they are."""

    num_trials: PositiveInt
    seed: NonNegativeInt = 0
    # By key: a list to draw from, or {low, high} with `log = true` for orders of magnitude. Two integers
    # give integers, both ends included; other numbers are rounded to three significant digits.
    values: dict[str, Any] = Field(min_length=1)

    @field_validator("values")
    @classmethod
    def _can_be_drawn(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key, choice in _leaves(values):
            if isinstance(choice, dict):
                _check_range(key, choice)
        return values

    def changes(self) -> Iterator[Changes]:
        """The values of each trial."""
        rng = random.Random(self.seed)
        for _ in range(self.num_trials):
            yield {key: _drawn(choice, rng) for key, choice in self.choices.items()}

    def covering(self) -> dict[str, Changes]:
        """Trials, by name, that together contain every listed value and both ends of every range."""
        found = {}
        lists = [each for each in self.choices.values() if not isinstance(each, dict)]
        for i in range(max([2, *map(len, lists)])):
            changes = {
                key: (each["high"] if i else each["low"]) if isinstance(each, dict) else each[i % len(each)]
                for key, each in self.choices.items()
            }
            found[trial_name(changes)] = changes
        return found

    @property
    def choices(self) -> dict[str, Any]:
        """By dotted key: a list to draw from, or a range."""
        return dict(_leaves(self.values))


class ObjectiveSection(Section):
    """What a sampler optimises: one number of a trial's table, in the only row that matches these words."""

    task: str  # as in the table: "knn", "linear", "segment-uper-finetuned"
    metric: str | None = None  # "top1"
    arm: str  # "hssl"
    dataset: str | None = None
    of: Literal["value", "difference"] = "value"  # "difference": to the baseline of the same trial
    direction: Literal["maximize", "minimize"] | None = None  # null: whichever is better for the metric


class SweepSection(Section):
    """The trials of `doit run sweep`. Each states keys that differ; the rest is the experiment's."""

    trials: tuple[dict[str, Any], ...] = ()  # each written out
    grid: dict[str, Any] = Field(default={})  # by key a list of values: every combination is a trial
    random: RandomTrials | None = None
    # How [sweep.random] draws: "random" all at once; "optuna" one after another, from the results of earlier
    # trials, with TPE of the library Optuna.
    sampler: Literal["random", "optuna"] = "random"
    objective: ObjectiveSection | None = None

    @property
    def is_search(self) -> bool:
        """Whether a trial depends on the results of earlier ones."""
        return self.sampler == "optuna"

    @model_validator(mode="after")
    def _search_has_what_it_needs(self) -> "SweepSection":
        if not self.is_search:
            if self.objective is not None:
                raise ValueError('objective: only sampler = "optuna" has a use for it')
            return self
        if self.objective is None:
            raise ValueError('sampler = "optuna" needs [sweep.objective]: a row of the table')
        if self.random is None or self.trials or self.grid:
            raise ValueError('sampler = "optuna" draws [sweep.random], which has to stand alone')
        return self

    @model_validator(mode="after")
    def _has_trials(self) -> "SweepSection":
        if self.is_search:
            if not 2 <= self.random.num_trials <= MOST_TRIALS:
                raise ValueError(f"expected 2 to {MOST_TRIALS} trials, found {self.random.num_trials}")
            _check_changes(dict.fromkeys(self.random.choices))
            return self
        num_trials = len(self.trials) + (self.random.num_trials if self.random else 0)
        num_trials += math.prod(len(values) for _, values in _leaves(self.grid)) if self.grid else 0
        if not num_trials:
            raise ValueError("no trial: give [sweep.grid], [sweep.random] or [[sweep.trials]]")
        if num_trials > MOST_TRIALS:
            raise ValueError(f"expected at most {MOST_TRIALS} trials, found {num_trials}")
        if len(self.named_changes()) < 2:
            raise ValueError("expected two trials or more that differ, found one")
        return self

    def named_changes(self) -> dict[str, Changes]:
        """The changes of each trial, by its name, such as "base_lr-0.001_depth-3"; empty for a search.

        Raises:
            ValueError: a trial changes nothing, or a key that must not differ between trials.
        """
        named = {}
        for changes in () if self.is_search else self._all():
            _check_changes(changes)
            named.setdefault(trial_name(changes), changes)  # random trials may draw the same values twice
        return named

    def _all(self) -> Iterator[Changes]:
        for trial in self.trials:
            yield dict(_values(trial))
        if self.grid:
            keys, values = zip(*_leaves(self.grid), strict=True)
            yield from (dict(zip(keys, chosen, strict=True)) for chosen in product(*values))
        if self.random is not None:
            yield from self.random.changes()


def _leaves(tree: dict[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and choices of every key of a grid or of random trials, in either form of TOML tables."""
    for key, value in tree.items():
        path = start + key
        if isinstance(value, dict) and not value.keys() & _RANGE:
            yield from _leaves(value, f"{path}.")
        elif value and isinstance(value, tuple | list | dict):
            yield path, value
        else:
            raise ValueError(f"{path}: expected a list of values, found {value!r}")


def _values(tree: dict[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        yield from _values(value, f"{start}{key}.") if isinstance(value, dict) else [(start + key, value)]


def _check_range(key: str, choice: dict[str, Any]) -> None:
    low, high, log = choice.get("low"), choice.get("high"), choice.get("log", False)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if choice.keys() - _RANGE or not numbers or not isinstance(log, bool) or not low < high:
        raise ValueError(
            f"{key}: expected {{ low = ..., high = ..., log = true }}, low < high; found {choice}"
        )
    if log and low <= 0:
        raise ValueError(f"{key}: expected low > 0 for log = true, found {low}")


def _drawn(choice: Any, rng: random.Random) -> Any:
    if not isinstance(choice, dict):
        return rng.choice(choice)
    low, high, log = choice["low"], choice["high"], choice.get("log", False)
    integers = isinstance(low, int) and isinstance(high, int)
    if integers and not log:
        return rng.randint(low, high)
    value = math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)
    return rounded(value, choice)


def _check_changes(changes: Changes) -> None:
    own = [key for key in changes if key.partition(".")[0] in ("name", "sweep", "extends")]
    if own or not changes:
        raise ValueError(f"a trial may not change {own[0]}" if own else "a trial changes nothing")


def rounded(value: float, choice: dict[str, Any]) -> float | int:
    """A number drawn from a range: an integer if both ends are, else with three significant digits."""
    low, high = choice["low"], choice["high"]
    if isinstance(low, int) and isinstance(high, int):
        return min(max(round(value), low), high)
    return float(f"{value:.3g}")


def trial_name(changes: Changes) -> str:
    """Last parts of the keys and the values; a digest if that is long, or the same for two keys."""
    last = [key.rpartition(".")[2] for key in changes]
    parts = [f"{key}-{str(value).lower()}" for key, value in zip(last, changes.values(), strict=True)]
    name = re.sub(r"[^a-z0-9._-]+", "-", "_".join(parts)).strip("-")
    if len(name) <= _MOST_LETTERS and len(set(last)) == len(last):
        return name
    text = json.dumps(changes, sort_keys=True)
    return f"trial-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
