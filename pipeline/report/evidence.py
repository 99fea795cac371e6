"""Sentences on the evidence behind a table's differences: seeds, steps, images, power, and floors."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.config.tables import TablesConfig
from pipeline.measures.intervals.power import MOST_SEEDS, POWER, seeds_to_show
from pipeline.report.display_names import arm_title, pair_title, task_name, task_title

Line = dict[str, Any]
_FLOORS = {
    "random": "a network without training",
    "pixels": "raw pixels without a network",
    "prevalence": "the same score for every image",
    "position": "the most frequent class of each position, whatever the image shows",
}


def needed_seeds(line: Line) -> int | None:
    """Number of seeds that would show a difference of the measured size; None if unknown."""
    if line["difference_std"] is None:
        return None
    return seeds_to_show(line["difference"], line["difference_std"], confidence=line["confidence"])


def evidence(lines: Sequence[Line], config: TablesConfig) -> list[str]:
    """Sentences on steps, images and seeds, on the seeds that would be needed, and on floors.

    Args:
        lines: of each task's headline metric.
    """
    compared = [line for line in lines if line["arm"] in config.subjects and line["difference"] is not None]
    if not compared:
        return []
    sentences = [f"Is it enough? {_basis(lines, compared)}."]
    if all(line["difference_std"] is None for line in compared):
        sentences.append(_needs_of_one_seed(config.confidence))
    else:
        sentences.append(_needs(compared))
    return sentences + _floors(lines, compared, config)


def _basis(lines: Sequence[Line], compared: Sequence[Line]) -> str:
    """Numbers of seeds, pretraining steps and test images."""
    seeds = max(len(line["seeds"]) for line in compared)
    parts = [f"{seeds} seeds" if seeds > 1 else "1 seed"]
    arms = {name for line in compared for name in (line["arm"], line["baseline"])}
    steps = {line["num_steps"] for line in lines if line["arm"] in arms and line["num_steps"] is not None}
    if steps:
        parts.append(f"{_range(steps)} steps of pretraining")
    return ", ".join([*parts, f"{_range({line['num_images'] for line in compared})} test images"])


def _range(numbers: set[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _needs_of_one_seed(confidence: float) -> str:
    """The number of seeds needed for three assumed standard deviations, as one seed does not give any."""
    twice, equal, half = (seeds_to_show(ratio, 1.0, confidence=confidence) for ratio in (2.0, 1.0, 0.5))
    return (
        "How many seeds would show a difference depends on its standard deviation over seeds, which one seed "
        f"does not tell: {twice} where the difference is twice that, {equal} where it equals it, {half} "
        f"where it is half of it (power {100 * POWER:g} %)."
    )


def _needs(compared: Sequence[Line]) -> str:
    found: dict[str, list[str]] = defaultdict(list)
    for line in compared:
        if line["difference_std"] is not None:
            seeds = needed_seeds(line)
            told = f"more than {MOST_SEEDS}" if seeds is None else str(seeds)
            found[pair_title(line)].append(f"{task_title(task_name(line))} {told}")
    told = "; ".join(f"{pair}: {', '.join(tasks)}" for pair, tasks in found.items())
    return (
        "Seeds that would show a difference of the measured size, by its spread over these seeds "
        f"(power {100 * POWER:g} %): {told}."
    )


def _floors(lines: Sequence[Line], compared: Sequence[Line], config: TablesConfig) -> list[str]:
    """A caution for each floor, with the tasks in which an arm is not shown to be above it."""
    arms = dict.fromkeys(name for line in compared for name in (line["arm"], line["baseline"]))
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for arm in arms:
        for line in lines:
            for floor, (low, high) in line["floors"].items() if line["arm"] == arm else ():
                if low is not None and (low <= 0 if line["higher_is_better"] else high >= 0):
                    found[arm, floor].append(task_title(task_name(line)))
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)  # arms with the same tasks are one sentence
    for (arm, floor), tasks in found.items():
        alike[floor, ", ".join(tasks)].append(arm)
    return [
        f"Caution: not shown to be better than {floor}, {_FLOORS.get(floor, 'a floor')}: "
        f"{' and '.join(map(arm_title, of))} in {tasks}."
        for (floor, tasks), of in alike.items()
    ]
