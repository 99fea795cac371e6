"""From a loss of a fine-tuning that is not finite back to the step and the tensor where it began.

As `pipeline.pretrain.non_finite` does for pretraining: the same steps again, from the newest checkpoint or
from the weights that training began with, to the first after which something is not finite.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jittor as jt
import numpy as np

from pipeline.pretrain.non_finite.first_step import explained
from pipeline.pretrain.non_finite.step_check import FiniteCheck, StepCheck, mean_losses


class FinetuningSteps:
    """The steps of a fine-tuning; see `pipeline.pretrain.non_finite.first_step.Steps`."""

    def __init__(self, training: Any):
        self.training = training

    def first_state(self) -> Any:
        return self.training.state_at_start()

    def make_batch(self, step: int) -> Any:
        return self.training.make_batch(step)

    def arrays(self, batch: Any) -> dict[str, np.ndarray]:
        """By the names of a batch's fields; those of a list by their places too."""
        found = {}
        for field in fields(batch):
            value = getattr(batch, field.name)
            for place, each in enumerate(value if isinstance(value, list | tuple) else [value]):
                if isinstance(each, np.ndarray):
                    found[f"{field.name}{f'/{place}' if each is not value else ''}"] = each
        return found

    def batch_of(self, step: int, arrays: Mapping[str, np.ndarray]) -> Any:
        """What holds no numbers, such as names, is made again."""
        batch, changes = self.make_batch(step), {}
        for field in fields(batch):
            value = getattr(batch, field.name)
            if isinstance(value, list | tuple):
                changes[field.name] = type(value)(
                    arrays.get(f"{field.name}/{place}", each) for place, each in enumerate(value)
                )
            else:
                changes[field.name] = arrays.get(field.name, value)
        return replace(batch, **changes)

    def look(self, state: Any, batch: Any) -> StepCheck:
        """In the order of the step: batch, state, forward pass, losses, gradients from the loss back."""
        look, training, terms = FiniteCheck(), self.training, []
        for name, arrays in self.arrays(batch).items():
            look.at(f"the batch's {name}", arrays)
        look.at("before the step:", state.tensors)
        look.at("before the step: optimizer", state.optimizer.state())
        with look.inside(network=state.network):
            forward = training.forward(state, batch)
            for index in range(training.num_microbatches):
                output = forward(index)
                losses = {"loss": output.total, **output.terms}
                look.at("", losses)
                terms.append({name: float(value.item()) for name, value in losses.items()})
                gradients = jt.grad(
                    output.total / training.num_microbatches, [each for _, each in training.trained]
                )
                for (name, _), gradient in reversed(list(zip(training.trained, gradients, strict=True))):
                    look.at(f"the gradient of {name}", gradient)
        state, _ = training.train_step(state, batch)
        look.at("after the step:", state.tensors)
        return StepCheck(look.broken, look.num_finite, mean_losses(terms))

    def about(self, step: int) -> dict[str, Any]:
        return {}


def explanation(training: Any, state: Any, step: int, output: Path, say: Callable[[str], None]) -> str:
    """`pipeline.pretrain.non_finite.first_step.explained` of a fine-tuning."""
    return explained(FinetuningSteps(training), state, step, output, say)
