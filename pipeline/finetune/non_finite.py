"""Finds the step and the tensor in which a fine-tuning first became non-finite.

As `pipeline.pretrain.non_finite` does for pretraining: repeats the steps from the newest checkpoint, or from
the initial weights, up to the first one after which something is not finite.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jittor as jt
import numpy as np

from pipeline.pretrain.non_finite.first_step import explained
from pipeline.pretrain.non_finite.step_check import StepCheck, check_training_step


class FinetuningSteps:
    """The steps of a fine-tuning; see `pipeline.pretrain.non_finite.first_step.Steps`."""

    def __init__(self, training: Any):
        self.training = training

    def first_state(self) -> Any:
        return self.training.state_at_start()

    def make_batch(self, step: int) -> Any:
        return self.training.make_batch(step)

    def whole(self, batch: Any) -> Any:
        """The batch itself, because every rank makes the whole batch."""
        return batch

    def arrays(self, batch: Any) -> dict[str, np.ndarray]:
        """Arrays by the names of a batch's fields; those of a list by their positions too."""
        found = {}
        for field in fields(batch):
            value = getattr(batch, field.name)
            for place, each in enumerate(value if isinstance(value, list | tuple) else [value]):
                if isinstance(each, np.ndarray):
                    found[f"{field.name}{f'/{place}' if each is not value else ''}"] = each
        return found

    def batch_of(self, step: int, arrays: Mapping[str, np.ndarray]) -> Any:
        """A batch of saved arrays; what is not an array, such as names, is made again."""
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

    def check(self, state: Any, batch: Any) -> StepCheck:
        training = self.training.alone()
        forward = training.forward(state, batch)

        def losses_of(index: int) -> tuple[jt.Var, dict[str, jt.Var]]:
            output = forward(index)
            return output.total, {"loss": output.total, **output.terms}

        return check_training_step(
            state,
            self.arrays(batch),
            networks={"network": state.network},
            trained=dict(training.trained),
            num_microbatches=training.num_microbatches,
            forward=losses_of,
            step=lambda: training.train_step(state, batch)[0],
        )

    def about(self, step: int) -> dict[str, Any]:
        return {}


def explanation(training: Any, state: Any, step: int, output: Path, say: Callable[[str], None]) -> str:
    """`pipeline.pretrain.non_finite.first_step.explained` for a fine-tuning."""
    return explained(FinetuningSteps(training), state, step, output, say)
