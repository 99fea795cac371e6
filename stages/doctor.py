"""`doit run doctor`: check this machine and suggest remedies; exit code 1 if a run would stop.

`python -m stages.doctor [EXPERIMENT] [deep=yes]`, where EXPERIMENT is the name of a preset or a file. With
deep=yes, computations with known answers are checked too; a wrong one also means exit code 1.
"""

import sys
from pathlib import Path

from tabulate import tabulate

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment
from pipeline.doctor.answers.answer import answer_rows
from pipeline.doctor.answers.running import answers_on_every_device
from pipeline.doctor.checks import full_checks, stops, table_rows
from pipeline.graph.printable import print_refusal, printable_output

RESULTS = Path(__file__).resolve().parent.parent / "results"
DEEP = "deep=yes"


@printable_output()
def main(arguments: list[str]) -> int:
    """Print the table of checks, with deep=yes also of known answers; return the exit code."""
    names = [argument for argument in arguments if argument != DEEP]
    if len(names) > 1 or len(arguments) - len(names) > 1:
        print(f"usage: python -m stages.doctor [EXPERIMENT] [{DEEP}]", file=sys.stderr)
        return 2
    try:
        experiment = read_experiment(names[0] if names else "quickstart")
    except ConfigError as error:
        print_refusal(error)
        return 1
    checks = full_checks(experiment, RESULTS, say=_say)
    headers = ("check", "state", "found", "remedy")
    print(tabulate(table_rows(checks), headers=headers, maxcolwidths=(None, None, 60, 50)))
    if stops(checks):
        return 1
    return 0 if DEEP not in arguments or _deep(experiment) else 1


def _deep(experiment: Experiment) -> bool:
    """Print a table of known answers for each device; return whether all are right."""
    found = answers_on_every_device(experiment, say=_say)
    headers = ("known answer", "state", "found", "expected", "tolerance", "remedy")
    for device in found:
        print(f"\n{device.how}")
        rows = answer_rows(device.answers)
        print(
            tabulate(
                rows, headers=headers, maxcolwidths=(None, None, 44, 30, None, 40), disable_numparse=True
            )
        )
        num_right = sum(answer.ok for answer in device.answers)
        print(f"{num_right} of {len(device.answers)} are right, in {device.seconds:.0f} s")
    return all(device.right for device in found)


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
