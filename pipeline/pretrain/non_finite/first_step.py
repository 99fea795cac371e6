"""From a loss that is not finite back to the step where it began.

Losses are read at logged steps, and by then the numbers are lost that the step started from. Training is the
same each time, so it is done again from the newest checkpoint, and stopped before the step: nothing has to be
kept while all is well.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.pretrain.non_finite.saved_step import (
    batch_arrays,
    batch_of,
    saved_step,
    write_about,
    write_step,
)
from pipeline.pretrain.non_finite.step_check import StepCheck, all_finite, check_step
from pipeline.storage.artifacts import JOB
from pipeline.storage.files import read_json
from pipeline.storage.runs import OPTIONS
from pipeline.training.checkpoint import checkpoint_content, load_checkpoint, load_newest
from pipeline.training.loop import Training


class Steps(Protocol):
    """The steps of one kind of training, to be taken again, saved, and looked at; they count from 0."""

    training: Training[Any, Any, Any]

    def first_state(self) -> Any:
        """What the training started from."""

    def make_batch(self, step: int) -> Any:
        """The batch of a step, as the training sees it."""

    def arrays(self, batch: Any) -> dict[str, np.ndarray]:
        """What of a batch is saved."""

    def batch_of(self, step: int, arrays: Mapping[str, np.ndarray]) -> Any:
        """The batch that was saved."""

    def look(self, state: Any, batch: Any) -> StepCheck:
        """Do the step after `state`, and look at every tensor on the way."""

    def about(self, step: int) -> dict[str, Any]:
        """What else is known of a step, as JSON."""


class PretrainingSteps:
    """The steps of a pretraining."""

    def __init__(self, training: Any, config: PretrainConfig):
        self.training, self._config = training, config

    def first_state(self) -> Any:
        return self.training.first_state()

    def make_batch(self, step: int) -> Any:
        return self.training.make_batch(step).rendered()

    def arrays(self, batch: Any) -> dict[str, np.ndarray]:
        return batch_arrays(batch)

    def batch_of(self, step: int, arrays: Mapping[str, np.ndarray]) -> Any:
        return batch_of(arrays)

    def look(self, state: Any, batch: Any) -> StepCheck:
        return check_step(state, batch, self.training.schedule.at(state.step), self._config)

    def about(self, step: int) -> dict[str, Any]:
        return {"rates": asdict(self.training.schedule.at(step))}


def explanation(
    training: Any, config: PretrainConfig, state: Any, step: int, output: Path, say: Callable[[str], None]
) -> str:
    """`explained` of a pretraining."""
    return explained(PretrainingSteps(training, config), state, step, output, say)


def explained(steps: Steps, state: Any, step: int, output: Path, say: Callable[[str], None]) -> str:
    """Save the first step that is not finite, up to `step`, look at it, and say what was found.

    Args:
        state: of the training now; its networks are used, for there may be no room for others.
        step: whose loss is not finite, counted from 1.
        output: the training's artifact.
        say: told what takes long.

    Returns:
        A sentence: the step, the tensor, where it is saved, the command that repeats it.
    """
    training = steps.training
    state = load_newest(output, lambda: state, run=training.run, say=say) or steps.first_state()
    say(f"a loss of step {step} is not finite: going again from step {state.step}, to see where it began")
    found = first_broken(training, steps.make_batch, state, step)
    if found is None:
        return (
            f"the same steps again, from the newest checkpoint to step {step}, are finite: see whether this "
            "machine computes the same twice, as by `doit run doctor deep=yes`"
        )
    content, batch, state = found
    place = saved_step(output, content[1]["step"] + 1)
    write_step(place, content, steps.arrays(batch))
    look = steps.look(load_checkpoint(place.state, state), batch)
    images = list(training.image_names(place.step - 1))
    write_about(place, {"images": images, **steps.about(place.step - 1), **_known(look)})
    command = f"doit run replay step={place.step}{_options(output)}"
    first = f"by {look.broken}" if look.broken else "though on repetition all its tensors are finite"
    return f"it began in step {place.step} {first}; `{command}` repeats that step, saved in {place.folder}"


def first_broken(
    training: Any, make_batch: Callable[[int], Any], state: Any, step: int
) -> tuple[tuple[dict, dict[str, Any]], Any, Any] | None:
    """What the first step starts from after which something is not finite, its batch, and the state after.

    Args:
        training: any whose steps can be taken again: it has `run` and `train_step`.
        make_batch: called with the number of steps that are done.
        state: to start from.
        step: the last one to take, counted from 1.
    """
    while state.step < step:
        content = checkpoint_content(state, training.run)
        batch = make_batch(state.step)
        state, outcome = training.train_step(state, batch)
        losses = [float(value.item()) for value in outcome.logged_losses.values()]
        if not all(map(math.isfinite, losses)) or not all_finite(state.tensors):
            return content, batch, state
    return None


def _known(look: StepCheck) -> dict[str, Any]:
    """As JSON holds it, which has no NaN."""
    losses = {name: value if math.isfinite(value) else str(value) for name, value in look.losses.items()}
    return {"losses": losses, "first": None if look.broken is None else str(look.broken)}


def _options(output: Path) -> str:
    """Options of the command, by the stage's job; none where there is no job."""
    try:
        job = read_json(output / JOB)
        run = {key: job["run"][key] for key in OPTIONS if job["run"].get(key) is not None}
        return "".join(f" {key}={value}" for key, value in {"stage": job["stage"], **run}.items())
    except (OSError, LookupError, TypeError, AttributeError, json.JSONDecodeError):
        return ""
