"""`doit run compare experiments=A,B[,C] [by=...] [out=FILE.html]`: compare finished experiments."""

import sys
from pathlib import Path

from pipeline.graph.stage_runner import exit_code_of
from pipeline.report.comparison.differences import compared
from pipeline.report.comparison.layouts import LAYOUTS, Compared
from pipeline.report.comparison.locating import read_all
from pipeline.report.comparison.page import page_text
from pipeline.report.comparison.settings import differing
from pipeline.report.comparison.text import comparison_text
from pipeline.storage.files import write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
_USAGE = "usage: doit run compare experiments=A,B[,C] [by=arm|dataset|config] [out=FILE.html]"
_LONGEST = 120  # characters of the page's default name


def main(arguments: list[str]) -> int:
    """Print the comparison and write its page; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = dict(argument.partition("=")[::2] for argument in arguments)
    names = [name.strip() for name in options.get("experiments", "").split(",") if name.strip()]
    if not names or not {"experiments", "by", "out"} >= options.keys():
        raise ValueError(_USAGE)
    layout = options.get("by", "arm")
    if layout not in LAYOUTS:
        raise ValueError(f"by={layout}: expected {', '.join(LAYOUTS)}")
    compare(names, layout, options.get("out"))


def compare(names: list[str], layout: str, out: str | None) -> None:
    """Compare experiments, print the comparison, and write its page."""
    experiments = read_all(names, results=RESULTS, start=Path.cwd())
    differences, refusals = compared(experiments)
    settings = differing([each.settings[0] for each in experiments])
    found = Compared(experiments, settings, differences)
    tables, every = (LAYOUTS[layout](found, every=each) for each in (False, True))
    target = Path(out).expanduser() if out else RESULTS / "compare" / _file_name(experiments)
    command = f"doit run compare experiments={','.join(names)}" + (f" by={layout}" if layout != "arm" else "")
    write_text(target, page_text(found, tables, every, refusals, command=command))
    print(comparison_text(found, tables, refusals))
    print(f"\nas a page, with every metric: {target}")


def _file_name(experiments: list) -> str:
    names = "+".join(each.folder.name for each in experiments)
    return f"{names if len(names) <= _LONGEST else f'{names[:_LONGEST]}...'}.html"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
