"""A sweep: the same experiment with other values of any of its keys, each combination a trial."""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from pydantic import Field, field_validator, model_validator

from pipeline.config.section import NonNegativeInt, PositiveInt, Section

Changes = dict[str, Any]  # dotted key of the experiment -> its value in a trial
MOST_TRIALS = 1000
_MOST_LETTERS = 40  # of a trial's name: it is part of a folder's name
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
        rng, choices = random.Random(self.seed), dict(_leaves(self.values))
        for _ in range(self.num_trials):
            yield {key: _drawn(choice, rng) for key, choice in choices.items()}


class SweepSection(Section):
    """The trials of `doit run sweep`. What differs is stated by key; all else is the experiment's."""

    trials: tuple[dict[str, Any], ...] = ()  # one by one
    grid: dict[str, Any] = Field(default={})  # by key a list of values: every combination is a trial
    random: RandomTrials | None = None

    @model_validator(mode="after")
    def _has_trials(self) -> "SweepSection":
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
        """What differs in each trial, by its name, such as "base_lr-0.001_depth-3".

        Raises:
            ValueError: a trial changes what tells experiments apart, or nothing.
        """
        named = {}
        for changes in self._all():
            own = [key for key in changes if key.partition(".")[0] in ("name", "sweep", "extends")]
            if own or not changes:
                raise ValueError(f"a trial may not change {own[0]}" if own else "a trial changes nothing")
            named.setdefault(_name(changes), changes)  # random trials may draw the same values twice
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
    """Dotted key and choices of every key of a grid or of random trials, however its tables are written."""
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
    return min(max(round(value), low), high) if integers else float(f"{value:.3g}")


def _name(changes: Changes) -> str:
    """Of the keys' last parts and the values; a digest where that is long, or tells two keys not apart."""
    last = [key.rpartition(".")[2] for key in changes]
    parts = [f"{key}-{str(value).lower()}" for key, value in zip(last, changes.values(), strict=True)]
    name = re.sub(r"[^a-z0-9._-]+", "-", "_".join(parts)).strip("-")
    if len(name) <= _MOST_LETTERS and len(set(last)) == len(last):
        return name
    text = json.dumps(changes, sort_keys=True)
    return f"trial-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
