"""The same task and arm in two experiments: their paired difference, or why there is none."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.tables import TablesSection
from pipeline.measures.intervals.values_and_differences import difference_interval
from pipeline.report.comparison.finished import Finished, same_images
from pipeline.report.display_names import task_name
from pipeline.report.tables import Line

# Values chosen anew for every backbone, and how the fit ended, are not part of the protocol.
_CHOSEN = re.compile(r"[^\s=]+(?= chosen on |: iBOT's own practice)")
_ENDED = re.compile(r", (\d+ )?not converged in \d+ iterations")


@dataclass(frozen=True)
class Difference:
    """An arm in one task: its value in `other` minus that in `reference`, fractions."""

    reference: str
    other: str
    arm: str
    task: str
    metric: str
    value: float
    low: float | None
    high: float | None
    note: str = ""  # why there is no interval


@dataclass(frozen=True)
class Refusal:
    """The reason why tasks of two experiments are not compared."""

    reference: str
    other: str
    reason: str
    tasks: tuple[str, ...]  # or metrics or arms of tasks

    @property
    def sentence(self) -> str:
        """The refusal as a sentence."""
        return f"{self.other} and {self.reference} are not compared in {', '.join(self.tasks)}: {self.reason}"


def compared(experiments: Sequence[Finished]) -> tuple[list[Difference], list[Refusal]]:
    """Every later experiment against the first, in each task, metric and arm that both have.

    Returns:
        Differences, in the order of the first one's table; refusals, grouped by reason.
    """
    reference, differences = experiments[0], []
    refused: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for other in experiments[1:]:
        pairing = _Pairing(reference, other)
        for line, theirs in _pairs(reference, other):
            refusal = _absence(reference, other, line) if theirs is None else pairing.refusal(line, theirs)
            if refusal is None:
                differences.append(pairing.difference(line, theirs))
            else:
                of, reason = refusal
                refused[other.label, reason][of] = None
    refusals = [
        Refusal(reference.label, label, reason, tuple(tasks)) for (label, reason), tasks in refused.items()
    ]
    return differences, refusals


def same_protocol(text: str) -> str:
    """A protocol without the values that were chosen for one backbone on validation images."""
    return _ENDED.sub("", _CHOSEN.sub("?", text))


def _images_of(line: Line) -> str:
    return f"{line['num_images']} of {line['dataset']} {line['split']}"


def _key(line: Line) -> tuple[str, str, str]:
    return task_name(line), line["metric"], line["arm"]


def _pairs(reference: Finished, other: Finished) -> list[tuple[Line, Line | None]]:
    """Each line of the first with its counterpart in the second, then the lines of only the second."""
    ours, theirs = ({_key(line): line for line in each.lines} for each in (reference, other))
    return [(line, theirs.get(key)) for key, line in ours.items()] + [
        (line, None) for key, line in theirs.items() if key not in ours
    ]


def _absence(reference: Finished, other: Finished, line: Line) -> tuple[str, str]:
    """The subject that only one side has (a task, metric or arm), and the reason, which names that side."""
    has = [any(_key(each) == _key(line) for each in of.lines) for of in (reference, other)]
    having, lacking = (reference, other) if has[0] else (other, reference)
    reason = f"only in {having.label}"
    if not any(task_name(each) == task_name(line) for each in lacking.lines):
        return task_name(line), reason
    if not any(_key(each)[:2] == _key(line)[:2] for each in lacking.lines):
        return f"{task_name(line)} {line['metric']}", reason
    return f"{task_name(line)} of {line['arm']}", reason


class _Pairing:
    """Two experiments, with a cache of whether their test images are the same."""

    def __init__(self, reference: Finished, other: Finished):
        self._reference, self._other = reference, other
        self._same: dict[Any, bool | None] = {}

    def refusal(self, line: Line, theirs: Line) -> tuple[str, str] | None:
        """The subject that is not compared and the reason; None if the two lines are comparable."""
        images = tuple(map(str, (*self._reference.images(line), *self._other.images(theirs), line["split"])))
        if images not in self._same:
            self._same[images] = same_images(self._reference, self._other, line, theirs)
        if self._same[images] is None:
            reason = "whether the test images are the same is not known: prepared images or outcomes are gone"
            return task_name(line), reason
        if not self._same[images]:
            here, there = map(_images_of, (line, theirs))
            content = ", with other content" if here == there else ""
            return task_name(line), f"other test images: {there}; {here}{content}"
        return self._other_protocol(line, theirs)

    def _other_protocol(self, line: Line, theirs: Line) -> tuple[str, str] | None:
        ours, others = self._reference.protocol(line), self._other.protocol(theirs)
        # A key that one version lacks tells nothing; then the protocol texts have to be equal.
        differs = [key for key in ours if key in others and ours[key] != others[key]]
        if differs:
            told = "; ".join(f"{key} {others[key]} and {ours[key]}" for key in differs)
            return task_name(line), f"other protocol: {told}"
        ours, others = (same_protocol(each["protocol"]) for each in (line, theirs))
        if ours != others:
            return f"{task_name(line)} {line['metric']}", f"other protocol: {others!r}; {ours!r}"
        return None

    def difference(self, line: Line, theirs: Line) -> Difference:
        """The difference of the means over seeds, with its interval over the shared test images."""
        low, high, note = None, None, ""
        try:
            ours, others = self._reference.rows(line), self._other.rows(theirs)
            low, high = difference_interval(others, ours, _settings(self._reference))
            if low is None:
                note = "no outcome per image"
        except ValueError as error:
            note = str(error)
        value = float(np.float64(theirs["value"]) - line["value"])
        names = (self._reference.label, self._other.label, line["arm"], task_name(line), line["metric"])
        return Difference(*names, value, low, high, note)


def _settings(reference: Finished) -> TablesSection:
    """The tables' level of confidence, and the first experiment's number of resamples."""
    stated = reference.settings[0].get("tables", {}).get("num_bootstrap")
    resamples = {"num_bootstrap": stated} if stated else {}
    return TablesSection(confidence=reference.confidence, **resamples)
