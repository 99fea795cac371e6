"""`doit run doctor`: what was found on this machine, with remedies; exit code 1 if a run would stop.

`python -m stages.doctor [EXPERIMENT]`, where EXPERIMENT is the name of a preset or a file.
"""

import sys
from pathlib import Path

from tabulate import tabulate

from pipeline.config.reading import ConfigError, read_experiment
from pipeline.doctor.checks import full_checks, stops, table_rows

RESULTS = Path(__file__).resolve().parent.parent / "results"


def main(arguments: list[str]) -> int:
    """Print the table of checks; return the exit code."""
    if len(arguments) > 1:
        print("usage: python -m stages.doctor [EXPERIMENT]", file=sys.stderr)
        return 2
    try:
        experiment = read_experiment(arguments[0] if arguments else "quickstart")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    checks = full_checks(experiment, RESULTS, say=lambda message: print(message, flush=True))
    headers = ("check", "state", "found", "remedy")
    print(tabulate(table_rows(checks), headers=headers, maxcolwidths=(None, None, 60, 50)))
    return 1 if stops(checks) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
