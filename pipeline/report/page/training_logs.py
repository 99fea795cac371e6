"""The logs of pretrainings, as much of them as a page shows: a log may be longer than memory is wide."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.pretrain.collapse import collapse, same_features

_MOST_POINTS, _POINTS_OF_ALL = 300, 900  # of one curve; of the same curve of all runs
_MOST_WARNINGS = 50  # of a run


@dataclass(frozen=True)
class TrainingLog:
    """One pretraining."""

    lines: list[dict[str, float]]  # some, evenly; each quantity's first and last are among them
    warnings: dict[int, str]  # step -> the warning after it; of every line


def read_training_log(path: Path, config: Mapping[str, Any], num_runs: int) -> TrainingLog:
    """Read a log line by line, and judge each as was done while it ran.

    Args:
        path: of metrics.jsonl; where there is none, nothing was logged.
        config: of the pretraining, as its stamp has it.
        num_runs: that share the figure.
    """
    counts, warnings = Counter(), {}
    for line in _lines(path):
        counts.update(line.keys())
        if text := _warning(line, config):
            warnings[int(line["step"])] = text
    most = max(2, min(_MOST_POINTS, _POINTS_OF_ALL // max(num_runs, 1)))
    # A quantity that is logged seldom, as those of a monitor, is thinned by itself.
    kept = {key: _evenly(count, most) for key, count in counts.items()}
    steps = list(warnings)
    marked = {steps[place] for place in _evenly(len(steps), _MOST_WARNINGS)}
    lines, places = [], Counter()
    for line in _lines(path):
        if line["step"] in marked or any(places[key] in kept[key] for key in line):
            lines.append(line)
        places.update(line.keys())
    return TrainingLog(lines, warnings)


def _lines(path: Path) -> Iterator[dict[str, float]]:
    """Every whole line, one at a time; one cut short by a kill is left out."""
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
    """At most so many of `count` places, first and last among them."""
    return frozenset(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())


def _warning(line: Mapping[str, float], config: Mapping[str, Any]) -> str | None:
    if "prototype_entropy" in line:
        return collapse(line, config["projection_head"]["num_prototypes"])
    return same_features(line) if "feature_spread" in line else None
