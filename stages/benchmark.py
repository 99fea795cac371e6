"""`doit run benchmark`: measure this machine's speed beside other programs; exit code 1 if a row failed.

`python -m stages.benchmark [rows=NAME,NAME] [repeats=N] [profile=yes] [size=toy|large] [device=cuda]
[results=FOLDER]`, or `rows=quality [experiment=NAME|FILE]`
"""

import sys
from functools import partial
from pathlib import Path

from benchmarks.device_rows import DEVICE_ROWS
from benchmarks.quality import TOY, USUAL, Study, measure_quality, study_of
from benchmarks.rows import ROWS, chosen_rows
from benchmarks.running import Plan, run_benchmark
from pipeline.graph.printable import print_refusal, printable_output
from pipeline.graph.subprocesses import end_on_signal

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ("rows", "repeats", "profile", "size", "device", "results")
GROWTH = "scaling"  # can be combined with other rows
QUALITY = "quality"  # cannot be combined: it takes half an hour or more


@printable_output()
def main(arguments: list[str]) -> int:
    """Run the benchmark and write its results; return the exit code."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    try:
        size = _size(given)
        study = _study(given, size) if given.get("rows") == QUALITY else None
        plan = None if study else _plan(given, size)
        folder = _folder(given, size, plan)
        folder.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        print_refusal(error)
        return 1
    end_on_signal()
    say = partial(print, flush=True)
    if plan is None:
        failures = measure_quality(study, folder, root=ROOT, say=say)
        written = study.table_name
        if (folder / written).is_file():
            print(f"\n{(folder / written).read_text(encoding='utf-8')}")
    else:
        failures = run_benchmark(plan, folder, root=ROOT, say=say)
        written = f"benchmark.md, benchmark.json{', scaling.md' if plan.growth else ''}"
    print(f"\nin {folder}: {written}")
    for failure in failures:
        print_refusal(failure)
    return 1 if failures else 0


def _folder(given: dict[str, str], size: str, plan: Plan | None) -> Path:
    # Results of toy networks or a GPU have folders of their own, so that they do not replace the processor's.
    kind = size if plan is None or size != "usual" else plan.device
    apart = "" if kind in ("cpu", "usual") else f"benchmark-{kind}"
    return Path(given.get("results") or ROOT / "results" / apart)


def _size(given: dict[str, str]) -> str:
    known = ("rows", "experiment", "size", "results") if given.get("rows") == QUALITY else OPTIONS
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"no option {', '.join(unknown)}; there are {', '.join(known)}")
    size = given.get("size", "usual")
    if size not in ("usual", "toy", "large"):
        raise ValueError(f"size can only be 'toy' or 'large', got {size!r}")
    if size == "large" and given.get("rows") == QUALITY:
        raise ValueError(f"size=large: expected rows={GROWTH}, which alone has it")
    return size


def _study(given: dict[str, str], size: str) -> Study:
    if "experiment" not in given:
        return TOY if size == "toy" else USUAL
    if size == "toy":
        raise ValueError("size=toy has an experiment of its own: leave out experiment= or size=")
    return study_of(given["experiment"])


def _plan(given: dict[str, str], size: str) -> Plan:
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
    repeats = _repeats(given.get("repeats"))
    return Plan(rows, growth=growth, repeats=repeats, size=size, device=device)


def _repeats(given: str | None) -> int | None:
    if given is None:
        return None
    if not given.isdecimal() or int(given) < 1:
        raise ValueError(f"repeats={given}: expected a whole number, 1 or more")
    return int(given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
