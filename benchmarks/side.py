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

from benchmarks.resident import forget_peak, resident_mib
from benchmarks.sides import SIDES


class Side(Protocol):
    """What is measured. A side may also have `extra`, further numbers for the report, and `report`."""

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
        extra = getattr(side, "extra", {})
        answer(check=side.check, extra=extra, peak_rss_mib=resident_mib("VmHWM"))
        # Comparing weights with a file holds that file in memory: no part of what is measured.
        forget_peak()
        for request in sys.stdin:
            if request.strip() == "report":
                answer(report=side.report())
            else:
                answer(value=side.repeat(), peak_rss_mib=resident_mib("VmHWM"))
    except Exception as error:
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")
