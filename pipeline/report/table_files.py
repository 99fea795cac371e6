"""Writes a table as Markdown, CSV, LaTeX, plain text and JSON.

Text and Markdown begin with one metric per task; Markdown then lists every metric, as do CSV, LaTeX and JSON.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from pipeline.config.tables import TablesConfig
from pipeline.report.answer import answers, coverage, verdicts
from pipeline.report.evidence import evidence
from pipeline.report.tables import Line, headlines, interval_end, points
from pipeline.storage.files import write_json, write_text

_LEFT = ("task", "metric", "arm", "seeds", "data set", "split", "protocol")  # the others are numbers
_NOT_IN_CSV = ("floors", "evaluation", "draws")  # every data set is in the column `dataset` anyway
_NOTHING = "No probe had labelled images to test on: there is nothing to compare. The backbones are made."
_LATEX_HEAD = r"% Needs \usepackage{booktabs}; names beyond Latin letters need LuaLaTeX or XeLaTeX."
_SHORT = 9  # number of leading columns in the short table, which fits a terminal
_DATASET = 9  # index of the data set's column, which comes first if there are several data sets


def write_tables(
    directory: Path,
    lines: list[Line],
    config: TablesConfig,
    *,
    made_with: Sequence[str] = (),
    computed_on: str = "",
    cautions: Sequence[str] = (),
) -> None:
    """Write table.{md,csv,tex,json,txt}. JSON and CSV hold fractions, the others percent.

    Args:
        made_with: libraries and versions that all rows were computed with, for Markdown and LaTeX.
        computed_on: a sentence on the machines, for Markdown and LaTeX.
        cautions: sentences on the data, for text and Markdown.
    """
    several = any("evaluation" in line for line in lines)
    headers, short = _headers(config), _short(_headers(config), several=several)
    every = [_cells(line, config) for line in lines]
    first = [_short(_cells(line, config), several=several) for line in headlines(lines)]
    sentences, behind = verdicts(lines, config), [*evidence(headlines(lines), config), *cautions]
    shown = _table(first, short, "simple") if lines else _NOTHING
    parts = [shown]
    parts += ["\n".join(answers(lines, config)), "\n".join(sentences)] if lines else []
    parts += [coverage(lines), "\n".join(behind)]
    write_text(directory / "table.txt", "\n\n".join(part for part in parts if part) + "\n")
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    versions = f"Computed with {', '.join(made_with)}." if made_with else ""
    made = " ".join(filter(None, [versions, computed_on]))
    tables = [_table(first, short, "github"), listed, "Every metric:", _table(every, headers, "github")]
    parts = [*answers(lines, config), coverage(lines), " ".join(behind), *tables, made]
    markdown = "\n\n".join(part for part in parts if part) if lines else _NOTHING
    write_text(directory / "table.md", f"{markdown}\n")
    statements = [*answers(lines, config), *sentences, *filter(None, [made])]
    # A line break would end the LaTeX comment.
    comments = "".join(f"% {' '.join(sentence.replace('%', 'percent').split())}\n" for sentence in statements)
    latex = _table(every, headers, "latex_booktabs")
    write_text(directory / "table.tex", f"{_LATEX_HEAD}\n{latex}\n{comments}")
    write_text(directory / "table.csv", _csv(lines))
    write_json(directory / "table.json", lines)


def _table(cells: list[list[str]], headers: list[str], form: str) -> str:
    align = ["left" if header in _LEFT else "right" for header in headers]
    if form == "github":
        cells = [[cell.replace("|", r"\|") for cell in row] for row in cells]
    return tabulate(cells, headers, tablefmt=form, disable_numparse=True, colalign=align if cells else None)


def _short(cells: list[str], *, several: bool) -> list[str]:
    """The cells of the short table, of a row or of the headers."""
    return ([cells[_DATASET]] if several else []) + cells[:_SHORT]


def _headers(config: TablesConfig) -> list[str]:
    interval = f"{100 * config.confidence:g} % interval"
    baselines = _baselines(config)
    difference = f"vs {min(baselines)}" if len(baselines) == 1 else "difference"
    return [
        "task", "metric", "arm", "%", interval, difference, interval, "images", "seeds",
        "data set", "split", "protocol",
    ]  # fmt: skip


def _baselines(config: TablesConfig) -> set[str]:
    return {config.compared_with[arm] for arm in config.arms}


def _cells(line: Line, config: TablesConfig) -> list[str]:
    value, difference = f"{100 * line['value']:.1f}", ""
    if line["std"] is not None:
        value += f" ± {100 * line['std']:.1f}"
    if line["difference"] is not None:
        difference = points(line["difference"])
        if line["difference_std"] is not None:
            difference += f" ± {100 * line['difference_std']:.1f}"
        if len(_baselines(config)) > 1:
            difference += f" vs {line['baseline']}"
    interval = "" if line["ci_low"] is None else f"[{100 * line['ci_low']:.1f}, {100 * line['ci_high']:.1f}]"
    low, high = line["difference_ci_low"], line["difference_ci_high"]
    return [
        line["task"], line["metric"], line["arm"], value, interval, difference,
        "" if low is None else f"[{interval_end(low)}, {interval_end(high)}]", str(line["num_images"]),
        " ".join(map(str, line["seeds"])), line["dataset"], line["split"], line["protocol"],
    ]  # fmt: skip


def _csv(lines: list[Line]) -> str:
    if not lines:
        return ""
    stream = io.StringIO()
    columns = [name for name in lines[0] if name not in _NOT_IN_CSV]
    writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(line | {"seeds": " ".join(map(str, line["seeds"]))} for line in lines)
    return stream.getvalue()
