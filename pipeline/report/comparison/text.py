"""A comparison as text for a terminal."""

from collections.abc import Sequence

from tabulate import tabulate

from pipeline.report.comparison.answer import answers
from pipeline.report.comparison.differences import Difference, Refusal
from pipeline.report.comparison.finished import Finished
from pipeline.report.comparison.layouts import Compared, Table

_MOST_VALUES = 6  # columns with intervals; if there are more, only values are shown
_WIDTH = 40  # characters of a setting


def comparison_text(compared: Compared, tables: Sequence[Table], refusals: Sequence[Refusal]) -> str:
    """Differing settings, results, refusals with their reasons, and versions."""
    names = [each.label for each in compared.experiments]
    keys = [[key, *map(_short, values)] for key, values in compared.settings.items()]
    parts = [
        _plain(["setting", *names], keys) if keys else "The settings are equal.",
        *(_of_table(table) for table in tables),
        "\n".join(answers(compared)),
        "\n".join(explanations(compared)),
        "\n".join(refusal.sentence for refusal in refusals),
        "\n".join(no_interval(compared.differences)),
        versions(compared.experiments),
    ]
    return "\n\n".join(part for part in parts if part)


def explanations(compared: Compared) -> list[str]:
    """Sentences on what the intervals cover, and on the seeds."""
    sentences = []
    if any(each.low is not None for each in compared.differences):
        level = 100 * compared.experiments[0].confidence
        sentences.append(
            f"Differences are percentage points of the mean over seeds, with the {level:g} % interval over "
            "the test images that both share. They do not cover the randomness of training."
        )
    told = []
    for each in compared.experiments:
        seeds = sorted({seed for line in each.lines for seed in line["seeds"]})
        told.append(f"{each.label} {', '.join(map(str, seeds))}")
    return [*sentences, f"Seeds: {'; '.join(told)}."]


def versions(experiments: Sequence[Finished]) -> str:
    """A line per experiment: its commit, device, libraries, dates, and the source of its settings."""
    return "\n".join(
        f"{each.label}: commit {made['commit']}, {made['device']}, python {made['python']}, "
        f"{made['libraries']}; {made['made']}; settings from {each.settings[1]}"
        for each in experiments
        for made in [each.made_with]
    )


def no_interval(differences: Sequence[Difference]) -> list[str]:
    """A line for each reason why differences have no interval."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for each in differences:
        if each.note:
            found.setdefault(each.note, {}).setdefault(each.task, {})[each.metric] = None
    lines = []
    for note, tasks in found.items():
        told = "; ".join(f"{task} {', '.join(metrics)}" for task, metrics in tasks.items())
        lines.append(f"No interval of {told}: {note}")
    return lines


def _of_table(table: Table) -> str:
    is_wide = len(table.headers) - table.num_names > _MOST_VALUES
    rows = [[cell[0] if is_wide else " ".join(cell) for cell in row] for row in table.rows]
    headers = [header.replace(" ", "\n") if is_wide else header for header in table.headers]
    return _plain(headers, rows)


def _plain(headers: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True)


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else f"...{text[3 - _WIDTH :]}"
