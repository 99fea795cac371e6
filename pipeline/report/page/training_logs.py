"""Reads pretraining logs, thinned to what a page shows: a log may not fit into memory."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.pretrain.collapse import collapse, same_features

_MOST_POINTS, _POINTS_OF_ALL = 300, 900  # per curve; per metric over all runs
_MOST_WARNINGS = 50  # per run


@dataclass(frozen=True)
class TrainingLog:
    """The thinned log of one pretraining."""

    lines: list[dict[str, float]]  # evenly spaced, with the first and last value of each metric
    warnings: dict[int, str]  # step -> warning; of all lines


def read_training_log(path: Path, config: Mapping[str, Any], num_runs: int) -> TrainingLog:
    """Read a log line by line, and derive the same warnings as during training.

    Args:
        path: of metrics.jsonl; a missing file counts as empty.
        config: of the pretraining, from its stamp.
        num_runs: number of runs in the figure.
    """
    counts, warnings = Counter(), {}
    for line in _lines(path):
        counts.update(line.keys())
        if text := _warning(line, config):
            warnings[int(line["step"])] = text
    most = max(2, min(_MOST_POINTS, _POINTS_OF_ALL // max(num_runs, 1)))
    # Each metric is thinned separately, as some are logged rarely, such as the monitor's.
    kept = {key: _evenly(count, most) for key, count in counts.items()}
    steps = list(warnings)
    marked = {steps[index] for index in _evenly(len(steps), _MOST_WARNINGS)}
    lines, seen = [], Counter()
    for line in _lines(path):
        if line["step"] in marked or any(seen[key] in kept[key] for key in line):
            lines.append(line)
        seen.update(line.keys())
    return TrainingLog(lines, warnings)


def _lines(path: Path) -> Iterator[dict[str, float]]:
    """Yield all complete lines; a line truncated by a kill is skipped."""
    if not path.is_file():
        return
    with open(path, encoding="utf-8", errors="replace") as stream:
        for text in stream:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if isinstance(line, dict) and "step" in line:
                yield line


def _evenly(count: int, most: int) -> frozenset[int]:
    """At most `most` of the indices below `count`, evenly spaced, with the first and last."""
    return frozenset(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())


def _warning(line: Mapping[str, float], config: Mapping[str, Any]) -> str | None:
    if "prototype_entropy" in line:
        return collapse(line, config["projection_head"]["num_prototypes"])
    return same_features(line) if "feature_spread" in line else None
