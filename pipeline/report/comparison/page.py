"""A comparison as a self-contained HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.comparison.answer import answers
from pipeline.report.comparison.differences import Refusal
from pipeline.report.comparison.layouts import Compared, Table
from pipeline.report.comparison.text import explanations, no_interval
from pipeline.report.display_names import arm_title, task_name
from pipeline.report.page.forest_table import ForestTable, forest_table
from pipeline.report.page.rendering import rendered
from pipeline.report.tables import headlines


@dataclass(frozen=True)
class ComparisonPage:
    """The content of the page."""

    names: list[str]
    answers: list[str]
    forest: ForestTable | None
    caption: str  # of the differences
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
        ValueError: the page is too large, see `rendered`.
    """
    made = [each.made_with | {"settings from": each.settings[1]} for each in compared.experiments]
    page = ComparisonPage(
        names=[each.label for each in compared.experiments],
        answers=answers(compared),
        forest=_forest(compared),
        caption=_caption(compared),
        settings=compared.settings,
        tables=tables,
        every=every,
        notes=[*explanations(compared), *no_interval(compared.differences)],
        refusals=[refusal.sentence for refusal in refusals],
        versions={key: [of[key] for of in made] for key in made[0]},
        command=command,
    )
    return rendered("compare.html.jinja", page)


def _forest(compared: Compared) -> ForestTable | None:
    """The paired differences of every arm in each task's headline metric."""
    lines = [line for each in compared.experiments for line in headlines(each.lines)]
    rising = {(task_name(line), line["metric"]): line.get("higher_is_better", True) for line in lines}
    several = len({each.other for each in compared.differences}) > 1
    return forest_table(
        [
            {
                "task": each.task,
                "metric": each.metric,
                "pair": arm_title(each.arm) + (f", {each.other}" if several else ""),
                "difference": each.value,
                "difference_ci_low": each.low,
                "difference_ci_high": each.high,
                "higher_is_better": rising[each.task, each.metric],
            }
            for each in compared.differences
            if (each.task, each.metric) in rising
        ]
    )


def _caption(compared: Compared) -> str:
    reference = compared.experiments[0]
    others = ", ".join(dict.fromkeys(each.other for each in compared.differences))
    return (
        f"Each arm of {others} minus the same arm of {reference.label}, in percentage points of its task's "
        f"headline metric, and the {100 * reference.confidence:g} % interval over the test images that both "
        "share."
    )
