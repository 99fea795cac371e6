"""The worker process of a program: `python -m benchmarks.worker NAME PARAMETERS FOLDER`.

It prepares once and then measures whenever it is asked. One JSON object per line: requests come on standard
input, answers go to what was standard output at the start; what libraries print goes to standard error.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Protocol

from benchmarks.programs import PROGRAMS
from benchmarks.resident import forget_peak, resident_mib


class LoadedProgram(Protocol):
    """A loaded program. It may also have `extra`, further numbers for the report, and `report`."""

    check: dict[str, float]  # numbers that the program it is compared with must find too

    def repeat(self) -> float:
        """Do it once; seconds, or another quantity that the row names."""
        ...


def serve(name: str, parameters: dict, folder: Path) -> None:
    """Load the program `name`, say so, and answer until standard input ends.

    Answers: {"check": ...} once prepared, then {"value": ..., "peak_rss_mib": ...} to every request, or
    {"error": text} and the end.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**content) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        program: LoadedProgram = PROGRAMS[name].load(parameters, folder)
        extra = getattr(program, "extra", {})
        answer(check=program.check, extra=extra, peak_rss_mib=resident_mib("VmHWM"))
        # Comparing weights with a file holds that file in memory: no part of what is measured.
        forget_peak()
        for request in sys.stdin:
            if request.strip() == "report":
                answer(report=program.report())
            else:
                answer(value=program.repeat(), peak_rss_mib=resident_mib("VmHWM"))
    except Exception as error:
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
