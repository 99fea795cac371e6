"""Writes a study's table as Markdown, CSV, LaTeX, plain text and JSON."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pipeline.report.tables import interval_end
from pipeline.storage.files import write_json, write_text
from pipeline.studies.comparison import Line


@dataclass(frozen=True)
class Column:
    """A column of a displayed table: its header, and the function that formats a line's cell."""

    header: str
    cell: Callable[[Line], str]
    right: bool = True  # alignment


def write_study(
    directory: Path,
    stem: str,
    lines: list[Line],
    columns: list[Column],
    sentences: list[str],
    *,
    extra: dict[str, Any],
) -> None:
    """Write <stem>.{md,csv,tex,json,txt}. JSON and CSV hold fractions, the others percent.

    Args:
        lines: at least one line.
        sentences: text below the table.
        extra: further entries of the JSON file, beside "lines" and "shown" (the formatted table).
    """
    headers = [column.header for column in columns]
    cells = [[column.cell(line) for column in columns] for line in lines]
    align = ["right" if column.right else "left" for column in columns]

    def table(form: str) -> str:
        return tabulate(cells, headers, tablefmt=form, disable_numparse=True, colalign=align)

    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    comments = "".join(f"% {sentence.replace('%', 'percent')}\n" for sentence in sentences)
    write_text(directory / f"{stem}.txt", f"{table('simple')}\n\n" + "\n".join(sentences) + "\n")
    write_text(directory / f"{stem}.md", f"{table('github')}\n\n{listed}\n")
    write_text(directory / f"{stem}.tex", f"{table('latex_booktabs')}\n{comments}")
    write_text(directory / f"{stem}.csv", _csv(lines))
    shown = {"headers": headers, "rows": cells, "sentences": sentences}
    write_json(directory / f"{stem}.json", {"lines": lines, **extra, "shown": shown})


def text(header: str, key: str) -> Column:
    """A column of text."""
    return Column(header, lambda line: str(line[key]), right=False)


def number(header: str, key: str, digits: int = 3) -> Column:
    """A column of means, with the standard deviation over seeds if there is one."""
    return Column(header, lambda line: _spread(line.get(key), line.get(f"{key}_std"), f".{digits}f", 1))


def percent(header: str, key: str) -> Column:
    """A column of fractions, shown as percent."""
    return Column(header, lambda line: _spread(line.get(key), line.get(f"{key}_std"), ".1f", 100))


def gain(baseline: str, key: str, confidence: float) -> list[Column]:
    """Two columns: differences in percentage points, and their intervals."""

    def interval(line: Line) -> str:
        low, high = line.get(f"{key}_ci_low"), line.get(f"{key}_ci_high")
        return "" if low is None else f"[{interval_end(low)}, {interval_end(high)}]"

    difference = Column(
        f"vs {baseline}", lambda line: _spread(line.get(key), line.get(f"{key}_std"), "+.1f", 100)
    )
    return [difference, Column(f"{100 * confidence:g} % interval", interval)]


def _spread(value: float | None, std: float | None, form: str, factor: float) -> str:
    if value is None:
        return ""
    spread = "" if std is None else f" ± {format(factor * std, form.lstrip('+'))}"
    return format(factor * value, form) + spread


def _csv(lines: list[Line]) -> str:
    stream = io.StringIO()
    keys = list(dict.fromkeys(key for line in lines for key in line))
    writer = csv.DictWriter(stream, fieldnames=keys, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        spaced = {key: " ".join(map(str, value)) if isinstance(value, list) else value
                  for key, value in line.items()}  # fmt: skip
        writer.writerow(spaced)
    return stream.getvalue()
