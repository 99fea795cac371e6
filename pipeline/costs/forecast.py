"""How long a pretraining would take, from the benchmark's measured rates. Loads neither framework."""

import json
import math
from pathlib import Path
from typing import Any

from pipeline.config.stages import PretrainConfig
from pipeline.costs.pretraining import step_operations

JSON_NAME = "benchmark.json"
RATES_OF = ("step-small", "step-vit-small")  # rows whose rate is that of our own step


def pretrain_seconds(config: PretrainConfig, num_images: int, results: Path) -> float | None:
    """Operations of the whole run over the rate of the measured step that is nearest in size.

    Args:
        num_images: of the training part.
        results: folder that may hold a benchmark.json.

    Returns:
        None where this machine was not measured.
    """
    batch = config.schedule.batch_size
    per_step = step_operations(config)
    rates = _rates(results / JSON_NAME)
    if not rates:
        return None
    steps = max(1, round(config.schedule.epochs * num_images / batch))
    _, gflops = min(rates, key=lambda rate: abs(math.log(rate[0] / per_step)))
    return steps * per_step / (gflops * 1e9)


def _rates(path: Path) -> list[tuple[float, float]]:
    """(operations of a step, GFLOP/s) of each measured size."""
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    measured = {entry.get("name"): entry for entry in entries}
    return [
        (measured[name]["flops"], measured[name]["gflops"])
        for name in RATES_OF
        if measured.get(name, {}).get("gflops")
    ]
