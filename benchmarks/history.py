"""Earlier measurements of each row on the same kind of processor, to find slowdowns."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import processor_name
from pipeline.storage.files import read_json, write_json

HISTORY = (
    Path(__file__).resolve().parent / "history"
)  # part of the project: a file for each kind of processor
# CPU flags of vector widths: only runs on processors of the same width are compared.
_WIDTHS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
_MOST_RUNS = 50
_NUM_RESAMPLES = 2000
_CONFIDENCE = 0.95


def history_file(flags: str, threads: int, folder: Path = HISTORY) -> Path:
    """The file of this kind of processor.

    Args:
        flags: of the processor, separated by spaces.
        threads: of the programs.
    """
    found = set(flags.split())
    width = next((flag for flag in _WIDTHS if flag in found), "other")
    name = re.sub(r"[^a-z0-9]+", "-", f"{processor_name()} {width}".lower()).strip("-")
    return folder / f"{name}-{threads}-threads.json"


def remembered(path: Path) -> list[dict[str, Any]]:
    """Earlier runs, oldest first; empty without a file."""
    return read_json(path) if path.is_file() else []


def remember(path: Path, entries: list[dict[str, Any]], *, peak_gflops: float, commit: str | None) -> None:
    """Add the times and rates of this run to the file, without noisy measurements."""
    timed = [entry for entry in entries if not entry["noise"] and not entry["unit"].startswith("%")]
    if not timed:
        return
    rows = {entry["name"]: {"unit": entry["unit"], "values": _rounded(entry["values"])} for entry in timed}
    run = {
        "date": date.today().isoformat(),
        "commit": commit,
        "peak_gflops": round(peak_gflops, 1),
        "rows": rows,
    }
    write_json(path, [*remembered(path), run][-_MOST_RUNS:])


def against_before(
    entry: dict[str, Any], runs: list[dict[str, Any]], *, peak_gflops: float, rng: np.random.Generator
) -> dict[str, Any] | None:
    """Speed of a row relative to the latest earlier run that has it, with an interval.

    Speeds are relative to each run's matrix products, so that a lower clock rate does not count as a slower
    program. The interval is a bootstrap over the repeats of both runs; it does not cover variation between
    days.

    Returns:
        date, commit, speed, low, high; None if no run has the row.
    """
    run = next((run for run in reversed(runs) if entry["name"] in run["rows"]), None)
    if run is None:
        return None
    then = run["rows"][entry["name"]]
    scale = run["peak_gflops"] / peak_gflops
    now = _speeds(entry["values"], entry["higher_is_better"]) * scale
    before = _speeds(then["values"], entry["higher_is_better"])
    draws = [_resampled(values, rng) for values in (now, before)]
    low, high = np.quantile(draws[0] / draws[1], [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    speed = float(np.median(now) / np.median(before))
    return {
        "date": run["date"],
        "commit": run["commit"],
        "speed": speed,
        "low": float(low),
        "high": float(high),
    }


def description_of(name: str, found: dict[str, Any]) -> str:
    """A sentence that compares a row's speed with an earlier one."""
    verdict = "slower than" if found["high"] < 1 else "faster than" if found["low"] > 1 else "as fast as"
    interval = f"{found['speed']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
    then = f"{found['date']} ({found['commit'] or 'no commit'})"
    return f"{name}: {interval} times its speed of {then}: {verdict} then"


def _rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _speeds(values: list[float], higher_is_better: bool) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    return array if higher_is_better else 1 / array


def _resampled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Medians of bootstrap resamples, (_NUM_RESAMPLES,)."""
    return np.median(values[rng.integers(0, len(values), (_NUM_RESAMPLES, len(values)))], axis=1)
