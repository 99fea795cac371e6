"""`doit run benchmark`: how fast the project is here, beside others; exit code 1 if a row failed.

`python -m stages.benchmark [rows=NAME,NAME] [repeats=N] [size=toy] [results=FOLDER]`
"""

import sys
from pathlib import Path

from pipeline.benchmark.rows import chosen_rows
from pipeline.benchmark.running import run_benchmark
from pipeline.subprocesses import end_on_signal

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ("rows", "repeats", "size", "results")


def main(arguments: list[str]) -> int:
    """Measure and write; return the exit code."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if set(given) - set(OPTIONS) or given.get("size", "toy") != "toy":
        print(f"usage: python -m stages.benchmark [{'=... '.join(OPTIONS)}=...]", file=sys.stderr)
        return 2
    try:
        rows = chosen_rows(given.get("rows"), toy=given.get("size") == "toy")
        repeats = int(given["repeats"]) if given.get("repeats") else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    end_on_signal()
    folder = Path(given.get("results") or ROOT / "results")
    failures = run_benchmark(
        rows, folder, root=ROOT, repeats=repeats, say=lambda message: print(message, flush=True)
    )
    print(f"\n{folder / 'benchmark.md'}, {folder / 'benchmark.json'}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
