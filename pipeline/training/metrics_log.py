"""metrics.jsonl, one JSON line per logged step, and the copy of it that belongs to the newest checkpoint."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.storage.files import read_json, write_json, write_text

METRICS = "metrics.jsonl"  # a training's log, in its artifact
COPY = "checkpoint-metrics.json"  # its text up to the newest checkpoint, with a digest


def read_metrics(path: Path) -> list[dict[str, float]]:
    """All complete lines of the log; a line truncated by a kill is skipped."""
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
    """Copy the log before a checkpoint is written, so that a resume from it has all lines up to it."""
    text = (folder / METRICS).read_text(encoding="utf-8")
    write_json(folder / COPY, {"sha256": _digest(text), "text": text})


def rewind(folder: Path, step: int, say: Callable[[str], None]) -> None:
    """Cut the log back to `step`, using the copy; later steps will be logged again.

    Args:
        say: prints a line if the copy is damaged and the log's complete lines are used instead.
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
    """Append one line, flushed to the operating system."""
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(metrics, allow_nan=False) + "\n")
