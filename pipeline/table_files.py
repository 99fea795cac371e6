"""Lines of a table -> Markdown, CSV, LaTeX, plain text and JSON."""

import csv
import io
from pathlib import Path

from tabulate import tabulate

from pipeline.config.tables import TablesConfig
from pipeline.files import write_json, write_text
from pipeline.tables import Line, points, verdicts


def write_tables(directory: Path, lines: list[Line], config: TablesConfig) -> None:
    """Write table.{md,csv,tex,json,txt}. JSON and CSV hold fractions, the others percent."""
    headers = _headers(config)
    cells = [_cells(line) for line in lines]
    sentences = verdicts(lines, config)
    right = ("left", "left", "left", "right", "right", "right", "right", "right")
    align = (*right, *["left"] * (len(headers) - len(right)))

    def rendered(form: str) -> str:
        return _table(cells, headers, form, align)

    under = "\n".join(sentences)
    listed = "\n".join(f"- {sentence}" for sentence in sentences)
    write_text(directory / "table.md", f"{rendered('github')}\n\n{listed}\n")
    # A terminal has no room for the protocol and where the images come from.
    text = _table([row[: len(right)] for row in cells], headers[: len(right)], "simple", right)
    write_text(directory / "table.txt", f"{text}\n\n{under}\n")
    comments = "".join(f"% {sentence.replace('%', 'percent')}\n" for sentence in sentences)
    write_text(directory / "table.tex", f"{rendered('latex_booktabs')}\n{comments}")
    write_text(directory / "table.csv", _csv(lines))
    write_json(directory / "table.json", lines)


def _table(cells: list[list[str]], headers: list[str], form: str, align: tuple[str, ...]) -> str:
    return tabulate(cells, headers, tablefmt=form, disable_numparse=True, colalign=align if cells else None)


def _headers(config: TablesConfig) -> list[str]:
    return [
        "task", "metric", "arm", "%", f"{100 * config.confidence:g} % interval", f"- {config.baseline}",
        "interval of difference", "images", "seeds", "data set", "split", "protocol",
    ]  # fmt: skip


def _cells(line: Line) -> list[str]:
    value, difference = f"{100 * line['value']:.1f}", ""
    if line["std"] is not None:
        value += f" ± {100 * line['std']:.1f}"
    if line["difference"] is not None:
        difference = points(line["difference"])
        if line["difference_std"] is not None:
            difference += f" ± {100 * line['difference_std']:.1f}"
    interval = "" if line["ci_low"] is None else f"[{100 * line['ci_low']:.1f}, {100 * line['ci_high']:.1f}]"
    low, high = line["difference_ci_low"], line["difference_ci_high"]
    return [
        line["task"], line["metric"], line["arm"], value, interval, difference,
        "" if low is None else f"[{points(low)}, {points(high)}]", str(line["num_images"]),
        " ".join(map(str, line["seeds"])), line["dataset"], line["split"], line["protocol"],
    ]  # fmt: skip


def _csv(lines: list[Line]) -> str:
    if not lines:
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(line | {"seeds": " ".join(map(str, line["seeds"]))} for line in lines)
    return stream.getvalue()
