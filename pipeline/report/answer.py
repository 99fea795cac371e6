"""Sentences on a table: the answer with its uncertainty, and a verdict for each task."""

from collections import Counter, defaultdict

from pipeline.config.tables import TablesConfig
from pipeline.measures.intervals.students_t import half_width
from pipeline.report.display_names import covered, pair_title, scored_title
from pipeline.report.tables import Line, headlines, interval_end, points

BETTER, WORSE, NOT_TOLD_APART = "better", "worse", "not told apart"
ONE_SEED = "at this seed, on this machine"
_NOTHING = "There is nothing to compare: no arm with an auxiliary head was measured beside its baseline."


def answers(lines: list[Line], config: TablesConfig) -> list[str]:
    """A sentence per subject: its difference in the first task with a verdict, and a count over all tasks."""
    first: dict[tuple[str, str], Line] = {}
    counts: dict[tuple[str, str], Counter] = defaultdict(Counter)
    for line in headlines(lines):
        if line["arm"] in config.subjects and line["difference_ci_low"] is not None:
            pair = line["arm"], line["baseline"]
            first.setdefault(pair, line)
            counts[pair][direction(line)] += 1
    if not first:
        return [_NOTHING]
    spread = "; ± is the standard deviation over seeds"
    return [
        f"{difference_text(line)}; {counted(counts[pair])} ({100 * config.confidence:g} % intervals over "
        f"{covered(lines)}{spread if line['difference_std'] is not None else ''})."
        for pair, line in first.items()
    ]


def verdicts(lines: list[Line], config: TablesConfig) -> list[str]:
    """A sentence per task and subject: its difference to its baseline in the headline metric."""
    return [
        difference_text(line)
        for line in headlines(lines)
        if line["arm"] in config.subjects and line["difference"] is not None
    ]


def coverage(lines: list[Line]) -> str:
    """A caution that the intervals of one seed do not cover the randomness of training; else empty."""
    if not lines or any(len(line["seeds"]) > 1 for line in lines):
        return ""
    return (
        f"One seed: the intervals are over {covered(lines)}. Another seed, or another processor, gives other "
        "values; for a claim about the method, run several seeds."
    )


def counted(directions: Counter) -> str:
    """The number of tasks with each outcome, as text."""
    told = ", ".join(
        f"{directions[word]} {word}" for word in (BETTER, WORSE, NOT_TOLD_APART) if directions[word]
    )
    total = sum(directions.values())
    return f"of {total} {'task' if total == 1 else 'tasks'}: {told}"


def difference_text(line: Line) -> str:
    """ "HSSL - iBOT: +2.6 ± 1.4 points k-NN top-1 [+1.2, +4.0], 3 seeds, better at these seeds"."""
    spread, seeds = line["difference_std"], len(line["seeds"])
    magnitude = points(line["difference"]) + ("" if spread is None else f" ± {points(spread)[1:]}")
    text = f"{pair_title(line)}: {magnitude} points {scored_title(line)}"
    if (low := line["difference_ci_low"]) is not None:
        text += f" [{interval_end(low)}, {interval_end(line['difference_ci_high'])}]"
    text += f", {seeds} seed{'s' if seeds > 1 else ''}"
    return text if low is None else f"{text}, {_verdict(line)}"


def direction(line: Line) -> str:
    """The direction of a line's difference, see `direction_of`."""
    return direction_of(line["difference_ci_low"], line["difference_ci_high"], line["higher_is_better"])


def direction_of(low: float, high: float, higher_is_better: bool) -> str:
    """BETTER or WORSE if the whole interval lies on that side of 0, else NOT_TOLD_APART."""
    sign = 1 if higher_is_better else -1
    worst, best = sorted((sign * low, sign * high))
    return BETTER if worst > 0 else WORSE if best < 0 else NOT_TOLD_APART


def _verdict(line: Line) -> str:
    """The verdict as text. The interval is over test images; other seeds are judged by Student's t."""
    found = direction(line)
    if found == NOT_TOLD_APART:
        return "no difference shown"
    if line["difference_std"] is None:
        return f"{found} {ONE_SEED}"
    if _shown_for_others(line):
        return f"{found}, by the spread over seeds too"
    return f"{found} at these seeds (not shown for others)"


def _shown_for_others(line: Line) -> bool:
    """Whether Student's t interval of the difference over several seeds excludes 0."""
    half = half_width(line["difference_std"], len(line["seeds"]), confidence=line["confidence"])
    return abs(line["difference"]) > half
