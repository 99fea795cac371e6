"""Writes benchmark.json for programs, and benchmark.md for readers."""

from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.history import description_of
from benchmarks.measuring import remarks
from pipeline.storage.files import write_json, write_text

JSON_NAME, TEXT_NAME = "benchmark.json", "benchmark.md"
_HEADERS = (
    "name", "unit", "ours", "quartiles", "other", "quartiles of other", "ratio", "target", "met",
    "share of peak", "MiB", "MiB of other", "repeats",
)  # fmt: skip


def write_report(folder: Path, entries: list[dict[str, Any]], machine: dict[str, str]) -> None:
    """Write both files, whole or not at all.

    Args:
        entries: see `measuring.measure_row`.
        machine: see `machine.describe_machine`.
    """
    write_json(folder / JSON_NAME, entries)
    write_text(folder / TEXT_NAME, "\n".join(_lines(entries, machine)) + "\n")


def _lines(entries: list[dict[str, Any]], machine: dict[str, str]) -> list[str]:
    table = tabulate(
        [_cells(entry) for entry in entries], headers=_HEADERS, tablefmt="github", disable_numparse=True
    )
    lines = ["# Benchmark", "", *[f"- {name}: {text}" for name, text in machine.items()], "", table, ""]
    lines += [
        "`ours` and `other` are medians. Each row ran in processes of its own, side by side: a repeat of",
        "ours, a repeat of the other, and so on. `ratio` above 1: ours is better. `share of peak`:",
        "operations, counted by arithmetic as in `pipeline/costs/`, over seconds and the matmul peak above.",
        "MiB: the most memory that the process held.",
        "",
        *[f"- {entry['name']}: {entry['title']}{_against(entry)}" for entry in entries],
        *_bounds(entries),
        *_before(entries),
    ]
    for entry in entries:
        if entry.get("profile"):
            lines += ["", f"## Top operations of {entry['name']}", "", *_profile_lines(entry["profile"])]
    return lines


def _bounds(entries: list[dict[str, Any]]) -> list[str]:
    """Lines on how far missed ratios are from the processor's limit."""
    lines = []
    for entry in entries:
        missed = any(v["met"] is False and v["target"].startswith("ratio ") for v in entry["targets"])
        if missed and entry["ratio_at_peak"]:
            lines.append(
                f"- {entry['name']}: ratio {entry['ratio']:.2f}; with every operation of ours at the "
                f"matmul peak it would be {entry['ratio_at_peak']:.2f}"
            )
    return ["", "Missed ratios and their bounds:", "", *lines] if lines else []


def _before(entries: list[dict[str, Any]]) -> list[str]:
    """Lines that compare each row with the latest earlier run on this kind of processor."""
    compared = [entry for entry in entries if entry.get("before")]
    lines = [f"- {description_of(entry['name'], entry['before'])}" for entry in compared]
    head = "Beside earlier runs on this kind of processor, in units of each run's matmul peak:"
    return ["", head, "", *lines] if lines else []


def _profile_lines(profile: list[dict[str, Any]]) -> list[str]:
    rows = [[line["operation"], f"{line['share']:.1%}", f"{line['milliseconds']:.1f}"] for line in profile]
    headers = ("operation", "share of the time in operations", "ms of a step")
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True).splitlines()


def _against(entry: dict[str, Any]) -> str:
    other = f"; other: {entry['other_name']}" if entry["other_name"] else ""
    return "; ".join([other, *remarks(entry)])


def _cells(entry: dict[str, Any]) -> list[str]:
    def number(value: float | None, form: str = ".4g") -> str:
        return "" if value is None else format(value, form)

    def pair(values: list[float] | None) -> str:
        return "" if values is None else " - ".join(number(value) for value in values)

    return [
        entry["name"],
        entry["unit"],
        number(entry["ours"]),
        pair(entry["spread"]),
        number(entry["other"]),
        pair(entry["other_spread"]),
        number(entry["ratio"], ".2f"),
        "; ".join(verdict["target"] for verdict in entry["targets"]),
        "; ".join({True: "yes", False: "no", None: "?"}[verdict["met"]] for verdict in entry["targets"]),
        number(entry["peak_share"], ".0%"),
        number(entry["peak_rss_mib"], ".0f"),
        number(entry["other_peak_rss_mib"], ".0f"),
        str(entry["repeats"]),
    ]
