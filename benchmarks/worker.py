"""The worker process of a program: `python -m benchmarks.worker NAME PARAMETERS FOLDER`.

It prepares once and then measures on request. Requests are lines on standard input; answers are JSON objects,
one per line, on the original standard output. Output of libraries goes to standard error.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Protocol

from benchmarks.programs import PROGRAMS
from benchmarks.resident import reset_peak, resident_mib


class LoadedProgram(Protocol):
    """A loaded program.

    It may also have `extra`, further numbers for the report, `peak_mib`, and a method `report`.
    """

    check: dict[str, float]  # numbers in which the compared program must agree

    def repeat(self) -> float:
        """Run once, and return seconds or another quantity that the row names."""
        ...


def serve(name: str, parameters: dict, folder: Path) -> None:
    """Load the program `name`, and answer requests until standard input ends.

    Answers: {"check": ...} once prepared, then {"value": ..., "peak_rss_mib": ...} to every request; after
    {"error": text} it ends.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**content) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        program: LoadedProgram = PROGRAMS[name].load(parameters, folder)
        extra = getattr(program, "extra", {})
        answer(check=program.check, extra=extra, peak_rss_mib=_peak_mib(program))
        # The comparison of weights with a file took memory that must not count.
        reset_peak()
        for request in sys.stdin:
            if request.strip() == "report":
                answer(report=program.report())
            else:
                value = program.repeat()
                answer(value=value, peak_rss_mib=_peak_mib(program))
    except Exception as error:
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")


def _peak_mib(program: LoadedProgram) -> float:
    """Peak memory of this process; of a program whose work is done by others, theirs."""
    return getattr(program, "peak_mib", None) or resident_mib("VmHWM")


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
