"""metrics.jsonl: one JSON line per logged step."""

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.storage.files import replacing

METRICS = "metrics.jsonl"  # the log of a pretraining, in its artifact


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Every whole line of the log; a line cut short by a kill is left out."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines


def rewind(path: Path, step: int) -> None:
    """Drop what was logged after `step`: the resumed run will log it again."""
    if path.is_file():
        kept = [line for line in read_metrics(path) if line["step"] <= step]
        with replacing(path) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def append_metrics(path: Path, metrics: Mapping[str, float]) -> None:
    """Add one line and hand it to the operating system at once."""
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(metrics, allow_nan=False) + "\n")
