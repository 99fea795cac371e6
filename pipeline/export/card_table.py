"""The measurements of one arm in an experiment, for the card of its exported base."""

from pathlib import Path

from tabulate import tabulate

from pipeline.storage.files import read_json

_HEADERS = ("task", "metric", "%", "interval", "data set", "images", "seeds", "protocol")


def table_of_arm(path: Path, arm: str) -> str:
    """The arm's lines of an experiment's table.json as Markdown; empty if there are none."""
    if not path.is_file():
        return ""
    lines = [line for line in read_json(path) if line["arm"] == arm]
    if not lines:
        return ""
    rows = [
        (
            line["task"],
            line["metric"],
            f"{100 * line['value']:.1f}",
            "" if line["ci_low"] is None else f"[{100 * line['ci_low']:.1f}, {100 * line['ci_high']:.1f}]",
            line["dataset"],
            line["num_images"],
            ", ".join(map(str, line["seeds"])),
            line["protocol"],
        )
        for line in lines
    ]
    return tabulate(rows, _HEADERS, tablefmt="github", disable_numparse=True)
