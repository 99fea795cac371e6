"""From a loss of a fine-tuning that is not finite back to the step and the tensor where it began.

As `pipeline.pretrain.non_finite` does for pretraining: the same steps again, from the newest checkpoint or
from the weights that training began with, to the first after which something is not finite.
"""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol

import jittor as jt
import numpy as np

from pipeline.pretrain.non_finite.first_step import first_broken
from pipeline.pretrain.non_finite.saved_step import SavedStep, saved_step, write_about
from pipeline.pretrain.non_finite.step_check import Broken, FiniteCheck
from pipeline.training.checkpoint import load_checkpoint, load_newest
from pipeline.training.checkpoint_files import write_checkpoint
from pipeline.training.losses import Losses
from pipeline.weights.arrays import write_arrays


class Repeatable(Protocol):
    """A training whose steps can be taken again; see `pipeline.finetune.training.Finetuning`."""

    run: str
    trained: list[tuple[str, jt.Var]]
    num_microbatches: int

    def state_at_start(self) -> Any: ...
    def make_batch(self, step: int) -> Any: ...
    def forward(self, state: Any, batch: Any) -> Callable[[int], Losses]: ...
    def train_step(self, state: Any, batch: Any) -> tuple[Any, Any]: ...


def explanation(training: Repeatable, state: Any, step: int, output: Path, say: Callable[[str], None]) -> str:
    """Save the first step that is not finite, up to `step`, look at it, and say what was found.

    Args:
        state: of the training now; its network is used.
        step: whose loss is not finite, counted from 1.
        output: the training's artifact.
        say: told what takes long.

    Returns:
        A sentence: the step, the tensor, and where it is saved.
    """
    state = load_newest(output, lambda: state, run=training.run, say=say) or training.state_at_start()
    say(f"a loss of step {step} is not finite: going again from step {state.step}, to see where it began")
    found = first_broken(training, training.make_batch, state, step)
    if found is None:
        return (
            f"the same steps again, to step {step}, are finite: see whether this machine computes the same "
            "twice, as by `doit run doctor deep=yes`"
        )
    before, batch, state = found
    place = saved_step(output, state.step)
    _write(place, before, batch)
    broken = check_step(training, load_checkpoint(place.state, state), batch)
    write_about(place, {"images": list(batch.names), "first": None if broken is None else str(broken)})
    first = f"by {broken}" if broken else "though on repetition all its tensors are finite"
    return f"it began in step {place.step} {first}; state and batch are saved in {place.folder}"


def check_step(training: Repeatable, state: Any, batch: Any) -> Broken | None:
    """The first tensor of a step that is not finite; None: all are.

    In the order of the step: batch, state, forward pass, losses, gradients from the loss back, new state.
    """
    look, trained = FiniteCheck(), training.trained
    for name, arrays in _arrays(batch).items():
        look.at(f"the batch's {name}", arrays)
    look.at("before the step:", state.tensors)
    look.at("before the step: optimizer", state.optimizer.state())
    with look.inside(network=state.network):
        forward = training.forward(state, batch)
        for index in range(training.num_microbatches):
            output = forward(index)
            look.at("", {"loss": output.total, **output.terms})
            gradients = jt.grad(output.total / training.num_microbatches, [each for _, each in trained])
            for (name, _), gradient in reversed(list(zip(trained, gradients, strict=True))):
                look.at(f"the gradient of {name}", gradient)
    state, _ = training.train_step(state, batch)
    look.at("after the step:", state.tensors)
    return look.broken


def _write(place: SavedStep, state: tuple[dict, dict[str, Any]], batch: Any) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(place.state, *state)
    write_arrays(place.batch, _arrays(batch), {"step": place.step})


def _arrays(batch: Any) -> dict[str, np.ndarray]:
    """A batch's arrays by the names of its fields; those of a list by their places too."""
    found = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        for place, each in enumerate(value if isinstance(value, list | tuple) else [value]):
            if isinstance(each, np.ndarray):
                found[f"{field.name}{f'/{place}' if each is not value else ''}"] = each
    return found
