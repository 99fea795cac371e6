"""`doit run benchmark`: how fast the project is here, beside others; exit code 1 if a row failed.

`python -m stages.benchmark [rows=NAME,NAME] [repeats=N] [profile=yes] [size=toy|large] [device=cuda]
[results=FOLDER]`
"""

import sys
from functools import partial
from pathlib import Path

from benchmarks.device_rows import DEVICE_ROWS
from benchmarks.quality import NAME as QUALITY_NAME
from benchmarks.quality import TOY, USUAL, measure_quality
from benchmarks.rows import ROWS, chosen_rows
from benchmarks.running import Plan, run_benchmark
from pipeline.graph.subprocesses import end_on_signal

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ("rows", "repeats", "profile", "size", "device", "results")
GROWTH = "scaling"  # may stand among the rows
QUALITY = "quality"  # stands alone: half an hour and more


def main(arguments: list[str]) -> int:
    """Run the benchmark and write its results; return the exit code."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if given.get("rows") == QUALITY:
        return _quality(given)
    try:
        plan = _plan(given)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    end_on_signal()
    # A folder of their own, so that rates of toy networks or a GPU do not replace this processor's.
    kind = plan.size if plan.size != "usual" else plan.device
    apart = "" if kind == "cpu" else f"benchmark-{kind}"
    default = ROOT / "results" / apart
    folder = Path(given.get("results") or default)
    folder.mkdir(parents=True, exist_ok=True)
    failures = run_benchmark(plan, folder, root=ROOT, say=lambda message: print(message, flush=True))
    print(f"\nin {folder}: benchmark.md, benchmark.json{', scaling.md' if plan.growth else ''}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _quality(given: dict[str, str]) -> int:
    toy = given.get("size") == "toy"
    folder = Path(given.get("results") or ROOT / "results" / ("benchmark-toy" if toy else ""))
    folder.mkdir(parents=True, exist_ok=True)
    end_on_signal()
    failures = measure_quality(TOY if toy else USUAL, folder, root=ROOT, say=partial(print, flush=True))
    for failure in failures:
        print(failure, file=sys.stderr)
    if (folder / QUALITY_NAME).is_file():
        print(f"\n{(folder / QUALITY_NAME).read_text(encoding='utf-8')}\nin {folder / QUALITY_NAME}")
    return 1 if failures else 0


def _plan(given: dict[str, str]) -> Plan:
    unknown = sorted(set(given) - set(OPTIONS))
    if unknown:
        raise ValueError(f"no option {', '.join(unknown)}; there are {', '.join(OPTIONS)}")
    size = given.get("size", "usual")
    if size not in ("usual", "toy", "large"):
        raise ValueError(f"size can only be 'toy' or 'large', got {size!r}")
    for option, value in (("profile", "yes"), ("device", "cuda")):
        if given.get(option, value) != value:
            raise ValueError(f"{option} can only be {value!r}, got {given[option]!r}")
    names = [name for name in given.get("rows", "").split(",") if name.strip()]
    device = given.get("device", "cpu")
    growth = device == "cpu" and (not names or GROWTH in names)
    others = [name for name in names if name != GROWTH]
    if size == "large" and (names != [GROWTH] or not growth):
        raise ValueError(f"size=large: expected rows={GROWTH}, which alone has it")
    toy, profile = size == "toy", "profile" in given
    known = DEVICE_ROWS if device == "cuda" else ROWS
    rows = () if names and not others else chosen_rows(",".join(others), known, toy=toy, profile=profile)
    repeats = int(given["repeats"]) if given.get("repeats") else None
    return Plan(rows, growth=growth, repeats=repeats, size=size, device=device)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
