"""One side of a comparison: a process that prepares once and then measures whenever it is asked.

One JSON object per line: requests come on standard input, answers go to what was standard output at the
start; what libraries print goes to standard error.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Protocol

from pipeline.benchmark.sides import SIDES


class Side(Protocol):
    """What is measured."""

    check: dict[str, float]  # numbers that the other side must find too

    def repeat(self) -> float:
        """Do it once; seconds, or another quantity that the row names."""
        ...


def serve(name: str, parameters: dict, folder: Path) -> None:
    """Prepare the side `name`, say so, and answer until standard input ends.

    Answers: {"check": ...} once prepared, then {"value": ..., "peak_rss_mib": ...} to every request, or
    {"error": text} and the end.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**content) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        side = SIDES[name](parameters, folder)
        answer(check=side.check, peak_rss_mib=peak_rss_mib())
        for request in sys.stdin:
            if request.strip() == "report":
                answer(report=side.report())
            else:
                answer(value=side.repeat(), peak_rss_mib=peak_rss_mib())
    except Exception as error:
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")


def peak_rss_mib() -> float:
    """The most memory that this process held so far, MiB."""
    return status_kib("VmHWM") / 1024


def status_kib(field: str) -> int:
    """A field of /proc/self/status that is in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")
