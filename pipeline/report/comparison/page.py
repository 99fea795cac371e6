"""A comparison as a page without any other file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.report.comparison.answer import answers
from pipeline.report.comparison.differences import Refusal
from pipeline.report.comparison.layouts import Compared, Table
from pipeline.report.comparison.text import no_interval, said
from pipeline.report.line_words import task_name
from pipeline.report.page.charts.differences import forest
from pipeline.report.page.figures import Figure
from pipeline.report.page.rendering import rendered
from pipeline.report.tables import headlines


@dataclass(frozen=True)
class ComparisonPage:
    """All that the page shows."""

    names: list[str]
    answers: list[str]
    differences: Figure | None
    settings: dict[str, list[str]]
    tables: list[Table]
    every: list[Table]  # of every metric
    notes: list[str]
    refusals: list[str]
    versions: dict[str, list[str]]
    command: str


def page_text(
    compared: Compared,
    tables: list[Table],
    every: list[Table],
    refusals: Sequence[Refusal],
    *,
    command: str,
) -> str:
    """The page as HTML.

    Raises:
        ValueError: it is larger than a page may be.
    """
    made = [each.made_with | {"settings from": each.settings[1]} for each in compared.experiments]
    page = ComparisonPage(
        names=[each.label for each in compared.experiments],
        answers=answers(compared),
        differences=_forest(compared),
        settings=compared.settings,
        tables=tables,
        every=every,
        notes=[*said(compared), *no_interval(compared.differences)],
        refusals=[refusal.sentence for refusal in refusals],
        versions={key: [of[key] for of in made] for key in made[0]},
        command=command,
    )
    return rendered("compare.html.jinja", page)


def _forest(compared: Compared) -> Figure | None:
    """The paired differences of every arm in each task's headline metric."""
    reference = compared.experiments[0]
    first = [line for each in compared.experiments for line in headlines(each.lines)]
    shown = {(task_name(line), line["metric"]) for line in first}
    several = len({each.other for each in compared.differences}) > 1
    lines = [
        {
            "task": each.task,
            "metric": each.metric,
            "arm": f"{each.arm}, {each.other}" if several else each.arm,
            "difference": each.value,
            "difference_ci_low": each.low,
            "difference_ci_high": each.high,
            "baseline": each.reference,
        }
        for each in compared.differences
        if (each.task, each.metric) in shown
    ]
    figure = forest(lines, list(dict.fromkeys(line["arm"] for line in lines)), reference.confidence)
    others = ", ".join(dict.fromkeys(each.other for each in compared.differences))
    caption = (
        f"Each arm of {others} minus the same arm of {reference.label}, in its task's headline metric, and "
        f"the {100 * reference.confidence:g} % interval over the test images that both share."
    )
    return figure and replace(figure, caption=caption)
