"""metrics.jsonl: one JSON line per logged step, and the copy of it that goes with the checkpoints."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.storage.files import read_json, write_json, write_text

METRICS = "metrics.jsonl"  # the log of a training, in its artifact
COPY = "checkpoint-metrics.json"  # its text up to the newest checkpoint, with a digest


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Every whole line of the log; a line cut short by a kill is left out."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict) and "step" in value:
            lines.append(value)
    return lines


def keep_copy(folder: Path) -> None:
    """Copy the log before a checkpoint is written, so that who goes on from there has the lines up to it."""
    text = (folder / METRICS).read_text(encoding="utf-8")
    write_json(folder / COPY, {"sha256": _digest(text), "text": text})


def rewind(folder: Path, step: int, say: Callable[[str], None]) -> None:
    """Make the log what it was after `step`, by the copy; what came after it will be logged again.

    Args:
        say: told where the copy is damaged, so that the log's whole lines are taken as they lie.
    """
    path = folder / METRICS
    lines = _kept_lines(folder, say)
    if lines is None:
        lines = read_metrics(path)
    if lines or path.is_file():
        write_text(path, "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step))


def _kept_lines(folder: Path, say: Callable[[str], None]) -> list[dict[str, float]] | None:
    path = folder / COPY
    if not path.is_file():
        return None
    try:
        text, expected = (read_json(path)[key] for key in ("text", "sha256"))
        if (found := _digest(text)) != expected:
            raise ValueError(f"{path}: damaged: the SHA-256 of its text is {found}, it states {expected}")
        return [json.loads(line) for line in text.splitlines()]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        say(f"{path}: no copy of the log can be used ({error}); it is taken as it lies in {METRICS}")
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def append_metrics(path: Path, metrics: Mapping[str, float]) -> None:
    """Add one line and hand it to the operating system at once."""
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(metrics, allow_nan=False) + "\n")
