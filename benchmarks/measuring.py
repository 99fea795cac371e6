"""Measures a row of the benchmark; the result becomes an object of benchmark.json."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.disturbance import QUIET, Disturbance, ProcessorTime
from benchmarks.row import Row
from benchmarks.side_by_side import (
    MAX_IDLE_SHARE,
    Measured,
    SideBySide,
    check_agreement,
    compare,
)
from benchmarks.worker_process import WorkerFailed, WorkerProcess

PATIENCE_SECONDS = 900.0  # for one answer; the first may have to wait for compilation
MOST_TRIES = 2  # per row, while others take too much of the processors' time
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """The measurements of a row's programs."""

    compared: SideBySide
    our_peak_mib: float
    extra: dict[str, float]  # of our program
    other_peak_mib: float | None
    why_no_other: str = ""  # empty if there is one, or if the row has none
    profile: list[dict[str, Any]] | None = None  # of our program
    disturbance: Disturbance = QUIET  # while both ran


def measure_row(
    row: Row,
    *,
    root: Path,
    threads: int,
    peak_gflops: float | None,
    repeats: int | None,
    say: Say,
) -> dict[str, Any]:
    """Measure a row in separate processes; repeat it if others took much of the processors' time.

    Args:
        root: the project's folder.
        peak_gflops: speed of this machine's matrix products; None: unknown.
        repeats: upper limit in place of the row's own.

    Returns:
        The row's object in benchmark.json. If the other program did not start, its note says why.

    Raises:
        WorkerFailed: our program failed.
        Disagreement: the programs do not compute the same.
    """
    started = time.monotonic()
    say(f"{row.name}: {row.title} ...")
    row = replace(row, parameters=row.parameters | {"threads": threads})
    tries: list[Found] = []
    while len(tries) < MOST_TRIES and all(found.disturbance.is_noisy for found in tries):
        if tries:
            say(f"{row.name}: {tries[0].disturbance.description}; measured once more")
        with tempfile.TemporaryDirectory(prefix="hssl-benchmark-") as folder:
            time_of_others = ProcessorTime()
            found = _measured(row, Path(folder), root, threads, repeats, peak_gflops)
        tries.append(replace(found, disturbance=time_of_others.disturbance()))
    entry = row_entry(row, min(tries, key=lambda found: found.disturbance.share), peak_gflops)
    say(f"{row.name}: {_in_one_line(entry)} [{time.monotonic() - started:.0f} s]")
    return entry


def absent(row: Row) -> str:
    """Why the other program cannot run; empty if it can."""
    missing = [package for package in row.needs if find_spec(package) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def _measured(
    row: Row, folder: Path, root: Path, threads: int, repeats: int | None, peak_gflops: float | None
) -> Found:
    def worker(name: str, parameters: dict[str, Any]) -> WorkerProcess:
        return WorkerProcess(name, parameters, folder, root=root, threads=threads, patience=PATIENCE_SECONDS)

    limits = {"repeats": repeats or row.repeats, "seconds": row.seconds}
    why_not = absent(row)
    with worker(row.ours, row.parameters) as ours:
        other = None
        if row.other is not None and not why_not:
            try:
                other = worker(row.other, row.parameters | row.other_parameters)
            except WorkerFailed as error:
                why_not = f"did not start: {str(error).splitlines()[0]}"
        if other is None:
            compared = compare(ours, None, **limits)
            found = Found(compared, ours.peak_rss_mib, ours.extra, None, why_not)
        else:
            with other:
                check_agreement(ours.check, other.check, row.tolerance)
                compared = compare(ours, other, **limits)
                found = Found(compared, ours.peak_rss_mib, ours.extra, other.peak_rss_mib)
        missed = any(verdict["met"] is False for verdict in row_entry(row, found, peak_gflops)["targets"])
        if row.profile == "always" or (row.profile == "if a target is missed" and missed):
            found = replace(found, profile=ours.report())
        return found


def row_entry(row: Row, found: Found, peak_gflops: float | None) -> dict[str, Any]:
    """The row's object in benchmark.json."""
    compared = found.compared
    ours = _in_unit(row, compared.ours)
    other = _in_unit(row, compared.other) if compared.other else None
    ratio = share = flops = gflops = None
    if other is not None:
        ratio = ours.median / other.median if row.higher_is_better else other.median / ours.median
    if row.flops is not None:
        flops = row.flops(row.parameters)
        gflops = flops / compared.ours.median / 1e9
        share = gflops / peak_gflops if peak_gflops else None
    notes = [found.why_no_other] if found.why_no_other else []
    if compared.idle_share > MAX_IDLE_SHARE:
        notes.append(f"the idle process used {100 * compared.idle_share:.0f} % of a core")
    entry = {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "ours": ours.median,
        "other": other.median if other else None,
        "other_name": row.other_name,
        "ratio": ratio,
        "peak_share": share,
        # The ratio if every operation of ours ran at the matmul peak.
        "ratio_at_peak": ratio / share if ratio is not None and share else None,
        "flops": flops,
        "gflops": gflops,
        "peak_rss_mib": found.our_peak_mib,
        "other_peak_rss_mib": found.other_peak_mib,
        "memory_ratio": found.our_peak_mib / found.other_peak_mib if found.other_peak_mib else None,
        "repeats": len(compared.ours.values),
        "values": list(ours.values),
        "higher_is_better": row.higher_is_better,
        "spread": list(ours.spread),
        "other_spread": list(other.spread) if other else None,
        **found.extra,
        "noise": found.disturbance.description if found.disturbance.is_noisy else None,
        "note": "; ".join(notes) or None,
        **({"profile": found.profile} if found.profile else {}),
    }
    verdicts = [{"target": t.description, "met": t.met(entry.get(t.quantity))} for t in row.targets]
    return entry | {"targets": verdicts}


def _in_unit(row: Row, measured: Measured) -> Measured:
    if row.items is None:
        return measured
    items = row.items(row.parameters)
    return Measured(tuple(items / seconds for seconds in measured.values))


def _in_one_line(entry: dict[str, Any]) -> str:
    text = f"{entry['ours']:.4g} {entry['unit']}"
    if entry["other"] is not None:
        text += f", {entry['other_name']} {entry['other']:.4g}, ratio {entry['ratio']:.2f}"
    return "".join([text, *(f" ({remark})" for remark in remarks(entry))])


def remarks(entry: dict[str, Any]) -> list[str]:
    """Notes that a reader of the row's figures must know."""
    noise = [f"a noisy measurement: {entry['noise']}"] if entry["noise"] else []
    return ([entry["note"]] if entry["note"] else []) + noise
