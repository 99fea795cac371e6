"""Profiles a step with Jittor's profiler; our own kernels appear under their names in kernels.h."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jittor as jt

_OUR_KERNEL = re.compile(r"\bhssl_(\w+)\s*\(")
_NANOSECONDS_PER_MS = 1e6
_STEPS = 3


def profiled(step: Callable[[], Any], *, count: int) -> list[dict[str, Any]]:
    """The slowest operators of a step.

    Args:
        step: runs one optimiser step.
        count: number of operators to list; all others are one line.

    Returns:
        {"operation", "milliseconds", "share"} by descending time; the share is of the time in Jittor's
        operators, without the optimiser, the moving average and Python.
    """
    with jt.profile_scope() as report:
        for _ in range(_STEPS):
            step()
        jt.sync_all(True)
    header, *lines = report
    name, file, total = (header.index(column) for column in ("Name", "FileName", "TotalTime"))
    spent: dict[str, float] = defaultdict(float)
    for line in lines:
        if line[file]:
            spent[_named(line[name], Path(line[file]))] += float(line[total]) / _NANOSECONDS_PER_MS / _STEPS
    return top_operations(spent, count)


def top_operations(spent: dict[str, float], count: int) -> list[dict[str, Any]]:
    """Milliseconds by operation -> lines of the `count` slowest, and one line of the others."""
    whole = sum(spent.values())
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    if len(ordered) > count:
        ordered = [*ordered[:count], (f"{len(ordered) - count} others", sum(ms for _, ms in ordered[count:]))]
    return [{"operation": operation, "milliseconds": ms, "share": ms / whole} for operation, ms in ordered]


def _named(name: str, source: Path) -> str:
    """The kernel that a compiled operator calls; for Jittor's own operators, the start of their name."""
    found = _OUR_KERNEL.findall(source.read_text(errors="replace")) if source.is_file() else []
    return found[-1] if found else f"Jittor: {name[:60]}"
