"""Measure rows one after the other; each ends as an object of benchmark.json."""

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.benchmark.asking import AskedSide
from pipeline.benchmark.comparing import (
    MAX_IDLE_SHARE,
    Compared,
    Measured,
    check_agreement,
    compare,
    make_folder,
)
from pipeline.benchmark.rows import Row

PATIENCE_SECONDS = 900.0  # for one answer; the first one may have to wait for a compiler
Say = Callable[[str], None]


def measure_row(
    row: Row,
    *,
    root: Path,
    threads: int,
    peak_gflops: float | None,
    repeats: int | None,
    say: Say,
) -> dict[str, Any]:
    """One row, in processes of its own.

    Args:
        root: folder that holds the project.
        peak_gflops: speed of this machine's matrix products; None: shares of it are not known.
        repeats: at most, instead of the row's own number.

    Raises:
        SideFailed: our side failed. The other side's failure is noted in the object instead.
        Disagreement: the sides do not compute the same.
    """
    started = time.monotonic()
    say(f"{row.name}: {row.title} ...")
    with tempfile.TemporaryDirectory(prefix="hssl-benchmark-") as temporary:
        folder = make_folder(Path(temporary), row.name)
        found = _measured(row, folder, root, threads, repeats)
    entry = _entry(row, *found, peak_gflops)
    say(f"{row.name}: {_in_one_line(entry)} [{time.monotonic() - started:.0f} s]")
    return entry


def absent(row: Row) -> str:
    """Why there is no other side; empty where there is one."""
    missing = [package for package in row.needs if find_spec(package) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def _measured(
    row: Row, folder: Path, root: Path, threads: int, repeats: int | None
) -> tuple[Compared, float, float | None, str]:
    """The repeats, peak memory of ours and theirs, and why there are none of theirs."""

    def side(name: str) -> AskedSide:
        return AskedSide(name, row.parameters, folder, root=root, threads=threads, patience=PATIENCE_SECONDS)

    limits = {"repeats": repeats or row.repeats, "seconds": row.seconds}
    why_not = absent(row)
    with side(row.ours) as ours:
        if row.other is None or why_not:
            return compare(ours, None, **limits), ours.peak_rss_mib, None, why_not
        with side(row.other) as other:
            check_agreement(ours.check, other.check, row.tolerance)
            compared = compare(ours, other, **limits)
            return compared, ours.peak_rss_mib, other.peak_rss_mib, ""


def _entry(
    row: Row,
    compared: Compared,
    our_memory: float,
    their_memory: float | None,
    why_not: str,
    peak_gflops: float | None,
) -> dict[str, Any]:
    ours = _in_unit(row, compared.ours)
    other = _in_unit(row, compared.other) if compared.other else None
    ratio = None
    if other is not None:
        ratio = ours.median / other.median if row.higher_is_better else other.median / ours.median
    share = None
    if row.flops is not None and peak_gflops:
        share = row.flops(row.parameters) / compared.ours.median / 1e9 / peak_gflops
    judged = ratio if row.other is not None else ours.median
    notes = [why_not] if why_not else []
    if compared.idle_share > MAX_IDLE_SHARE:
        notes.append(f"the waiting side used {100 * compared.idle_share:.0f} % of a core")
    return {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "ours": ours.median,
        "other": other.median if other else None,
        "other_name": row.other_name,
        "ratio": ratio,
        "peak_share": share,
        "peak_rss_mib": our_memory,
        "other_peak_rss_mib": their_memory,
        "repeats": len(compared.ours.values),
        "spread": list(ours.spread),
        "other_spread": list(other.spread) if other else None,
        "target": row.target_words or None,
        "met": met(row, judged),
        "note": "; ".join(notes) or None,
    }


def met(row: Row, value: float | None) -> bool | None:
    """Whether a ratio, or of a row without other side a value, reaches the target; None: not known."""
    if row.target is None or value is None:
        return None
    if row.other is not None or row.higher_is_better:
        return value >= row.target
    return value <= row.target


def _in_unit(row: Row, measured: Measured) -> Measured:
    if row.items is None:
        return measured
    items = row.items(row.parameters)
    return Measured(tuple(items / seconds for seconds in measured.values))


def _in_one_line(entry: dict[str, Any]) -> str:
    text = f"{entry['ours']:.4g} {entry['unit']}"
    if entry["other"] is not None:
        text += f", {entry['other_name']} {entry['other']:.4g}, ratio {entry['ratio']:.2f}"
    return text if entry["note"] is None else f"{text} ({entry['note']})"
