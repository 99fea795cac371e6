"""The answer of a comparison: a sentence per experiment and arm."""

from collections import Counter
from collections.abc import Sequence

from pipeline.report.answer import BETTER, NOT_TOLD_APART, WORSE, counted, direction_of
from pipeline.report.comparison.differences import Difference
from pipeline.report.comparison.finished import Finished
from pipeline.report.comparison.layouts import Compared
from pipeline.report.display_names import MINUS, arm_title, scored_title, task_name
from pipeline.report.tables import Line, headlines, interval_end, points

_HERE = "at these seeds, on these machines"
_JUDGED = {BETTER: f"better {_HERE}", WORSE: f"worse {_HERE}", NOT_TOLD_APART: "no difference shown"}


def answers(compared: Compared) -> list[str]:
    """A sentence per pretraining: its gain over the first experiment in the first task; a count over all."""
    reference, *others = compared.experiments
    lines = {(line["task"], line.get("evaluation"), line["arm"]): line for line in headlines(reference.lines)}
    floors = {floor for line in reference.lines for floor in line.get("floors", {})}
    arms = dict.fromkeys(line["arm"] for line in lines.values() if line["arm"] not in floors)
    found = {(each.other, each.task, each.metric, each.arm): each for each in compared.differences}
    sentences = []
    for other in others:
        for arm in arms:
            of_arm = [line for line in lines.values() if line["arm"] == arm]
            pairs = [
                (line, found.get((other.label, task_name(line), line["metric"], arm))) for line in of_arm
            ]
            shown = [(line, each) for line, each in pairs if each and each.low is not None]
            if shown:
                sentences.append(_sentence(reference, other, shown))
    return sentences or ["No task of these experiments can be compared; below is why."]


def _sentence(reference: Finished, other: Finished, shown: Sequence[tuple[Line, Difference]]) -> str:
    line, first = shown[0]
    directions = [direction_of(each.low, each.high, of.get("higher_is_better", True)) for of, each in shown]
    return (
        f"{other.label} {MINUS} {reference.label}, {arm_title(line['arm'])}: {points(first.value)} points "
        f"{scored_title(line)} [{interval_end(first.low)}, {interval_end(first.high)}], "
        f"{_JUDGED[directions[0]]}; {counted(Counter(directions))}."
    )
