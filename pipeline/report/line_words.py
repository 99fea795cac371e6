"""What sentences, figures and tables call a line of a table, and its interval."""

from collections.abc import Iterable, Mapping
from typing import Any


def task_name(line: Mapping[str, Any]) -> str:
    """Its task, "knn"; on a further data set also that one's name, "knn on flowers"."""
    return f"{line['task']} on {line['evaluation']}" if line.get("evaluation") else line["task"]


def covered(lines: Iterable[Mapping[str, Any]]) -> str:
    """What the intervals of these lines are over."""
    few = any(line.get("draws") for line in lines)
    return "test images, and over draws of the few training images" if few else "test images"
