"""The rows of the benchmark: what is measured against what, with which target."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.benchmark.flops import step_flops
from pipeline.benchmark.step_inputs import step_batches
from pipeline.benchmark.step_sizes import step_config


@dataclass(frozen=True)
class Row:
    """One comparison, or one measurement of ours alone."""

    name: str
    title: str
    unit: str  # "s", or what is counted per second, or another quantity that the sides return
    ours: str  # key of SIDES
    other: str | None = None
    other_name: str | None = None
    needs: tuple[str, ...] = ()  # packages without which `other` cannot run
    parameters: dict[str, Any] = field(default_factory=dict)
    toy: dict[str, Any] = field(default_factory=dict)  # parameters that differ at toy size
    # What is counted in a repeat: values are items / seconds. None: values are what the sides return.
    items: Callable[[dict[str, Any]], float] | None = None
    higher_is_better: bool = False
    flops: Callable[[dict[str, Any]], float] | None = None  # operations of one repeat
    tolerance: float = 1e-3  # relative, between what the two sides checked
    target: float | None = None  # of the ratio; without another side, of our value
    target_words: str = ""
    repeats: int = 7
    seconds: float = 45.0  # for the repeats of both sides together


def _step_flops(parameters: dict[str, Any]) -> float:
    """Of a repeat, with the mean number of hidden patches of the batches that are measured."""
    config = step_config(parameters["size"], parameters.get("changes"))
    batches = step_batches(config)
    hidden = sum(int(batch.masks.sum()) for batch in batches) / len(batches)
    return parameters.get("steps", 1) * step_flops(config, config.schedule.batch_size, hidden)


def _step_images(parameters: dict[str, Any]) -> float:
    config = step_config(parameters["size"], parameters.get("changes"))
    return config.schedule.batch_size * parameters.get("steps", 1)


def _step_row(name: str, size: str, title: str) -> Row:
    return Row(
        name=name,
        title=f"pretraining step, {title}",
        unit="images/s",
        ours="our-step",
        other="torch-step",
        other_name="PyTorch eager, same algorithm",
        needs=("torch",),
        parameters={"size": size},
        toy={"size": "toy", "steps": 4},
        items=_step_images,
        higher_is_better=True,
        flops=_step_flops,
        target=2.5,
        target_words=">= 2.5 x",
    )


ROWS: tuple[Row, ...] = (
    _step_row("step-small", "small", "32 px / patch 4 / dim 192 / depth 12, batch 64, K 1024"),
    _step_row("step-vit-small", "vit-small", "ViT-S/16 at 224 px, batch 8, K 8192"),
)


def chosen_rows(names: str | None, *, toy: bool = False) -> tuple[Row, ...]:
    """The rows that a comma-separated list names; all without one. A prefix names all that begin with it.

    Args:
        toy: at sizes that take seconds and say nothing about speed.

    Raises:
        ValueError: a name that no row begins with.
    """
    wanted = [name.strip() for name in (names or "").split(",") if name.strip()]
    for name in wanted:
        if not any(row.name.startswith(name) for row in ROWS):
            raise ValueError(f"no row {name!r}; there are {[row.name for row in ROWS]}")
    chosen = [row for row in ROWS if not wanted or any(row.name.startswith(name) for name in wanted)]
    return tuple(replace(row, parameters=row.parameters | row.toy) if toy else row for row in chosen)
