"""Finds the step in which a training first became non-finite.

Losses are read at logged steps, and by then the initial state of the failing step is lost. Training is
deterministic, so it is repeated from the newest checkpoint, and stopped before that step: nothing has to be
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
    """The steps of one kind of training, to be repeated, saved and checked; they count from 0.

    Ranks repeat them together; the first saves and checks, alone, the whole batch.
    """

    training: Training[Any, Any, Any]

    def first_state(self) -> Any:
        """The state at the start of the training."""

    def make_batch(self, step: int) -> Any:
        """The batch of a step, as in the training."""

    def whole(self, batch: Any) -> Any:
        """The batch of all ranks, of this rank's; all call it at once."""

    def arrays(self, batch: Any) -> dict[str, np.ndarray]:
        """The arrays of a batch, to be saved."""

    def batch_of(self, step: int, arrays: Mapping[str, np.ndarray]) -> Any:
        """The batch of saved arrays."""

    def check(self, state: Any, batch: Any) -> StepCheck:
        """Do the step after `state` in this process alone, and check every tensor on the way."""

    def about(self, step: int) -> dict[str, Any]:
        """Further facts about a step, as JSON."""


class PretrainingSteps:
    """The steps of a pretraining."""

    def __init__(self, training: Any, config: PretrainConfig):
        self.training, self._config = training, config

    def first_state(self) -> Any:
        return self.training.first_state()

    def make_batch(self, step: int) -> Any:
        return self.training.make_batch(step).rendered()

    def whole(self, batch: Any) -> Any:
        ranks = self.training.ranks
        if ranks.count == 1:
            return batch
        # An array without values: there are no local crops.
        arrays = batch_arrays(batch).items()
        of_all = {name: ranks.all_gather_arrays(each) if each.size else [each] for name, each in arrays}
        return batch_of({name: np.concatenate(parts, axis=1) for name, parts in of_all.items()})

    def arrays(self, batch: Any) -> dict[str, np.ndarray]:
        return batch_arrays(batch)

    def batch_of(self, step: int, arrays: Mapping[str, np.ndarray]) -> Any:
        return batch_of(arrays)

    def check(self, state: Any, batch: Any) -> StepCheck:
        return check_step(state, batch, self.training.schedule.at(state.step), self._config)

    def about(self, step: int) -> dict[str, Any]:
        return {"rates": asdict(self.training.schedule.at(step))}


def explanation(
    training: Any, config: PretrainConfig, state: Any, step: int, output: Path, say: Callable[[str], None]
) -> str:
    """`explained` for a pretraining."""
    return explained(PretrainingSteps(training, config), state, step, output, say)


def explained(steps: Steps, state: Any, step: int, output: Path, say: Callable[[str], None]) -> str:
    """Save the first non-finite step, up to `step`, check it, and describe what was found.

    Args:
        state: of the training now; its networks are reused, since there may be no memory for others.
        step: the step with a loss that is not finite, counted from 1.
        output: the training's artifact.
        say: called with a line before anything that takes long.

    Returns:
        A sentence: the step, the tensor, where it is saved, the command that repeats it.
    """
    training, ranks = steps.training, steps.training.ranks
    with ranks.first_before_others():  # it moves damaged files out of the way
        state = load_newest(output, lambda: state, run=training.run, say=say) or steps.first_state()
    if ranks.is_first:
        say(f"not finite: going again from step {state.step}, to see where it began")
    found = first_non_finite(training, steps.make_batch, state, step)
    if found is None:
        return (
            f"the same steps again, from the newest checkpoint to step {step}, have finite losses and "
            "weights: either these are so large that what is measured overflows, or this machine does not "
            "compute the same twice (see `doit run doctor deep=yes`)"
        )
    content, batch, state = found
    batch = steps.whole(batch)
    sentence = _saved_and_looked_at(steps, content, batch, state, output) if ranks.is_first else ""
    ranks.barrier()  # one that ends earlier would end the first
    return sentence


def _saved_and_looked_at(
    steps: Steps, content: tuple[dict, dict[str, Any]], batch: Any, state: Any, output: Path
) -> str:
    place = saved_step(output, content[1]["step"] + 1)
    write_step(place, content, steps.arrays(batch))
    check = steps.check(load_checkpoint(place.state, state), batch)
    images = list(steps.training.image_names(place.step - 1))
    write_about(place, {"images": images, **steps.about(place.step - 1), **_known(check)})
    command = f"doit run replay step={place.step}{_options(output)}"
    first = f"by {check.broken}" if check.broken else "though on repetition all its tensors are finite"
    return f"it began in step {place.step} {first}; `{command}` repeats that step, saved in {place.folder}"


def first_non_finite(
    training: Any, make_batch: Callable[[int], Any], state: Any, step: int
) -> tuple[tuple[dict, dict[str, Any]], Any, Any] | None:
    """The initial state of the first non-finite step, its batch, and the state after it.

    Args:
        training: has `run`, `ranks` and `train_step`, so that its steps can be repeated.
        make_batch: called with the number of steps done.
        state: to start from.
        step: the last one to do, counted from 1.
    """
    while state.step < step:
        content = checkpoint_content(state, training.run)
        batch = make_batch(state.step)
        state, outcome = training.train_step(state, batch)
        losses = [float(value.item()) for value in outcome.logged_losses.values()]
        finite = all(map(math.isfinite, losses)) and all_finite(state.tensors)
        if not training.ranks.broadcast_decision(finite):
            return content, batch, state
    return None


def _known(check: StepCheck) -> dict[str, Any]:
    """As JSON, which has no NaN."""
    losses = {name: value if math.isfinite(value) else str(value) for name, value in check.losses.items()}
    return {"losses": losses, "first": None if check.broken is None else str(check.broken)}


def _options(output: Path) -> str:
    """Options of the command, from the stage's job; empty if there is no job."""
    try:
        job = read_json(output / JOB)
        run = {key: job["run"][key] for key in OPTIONS if job["run"].get(key) is not None}
        return "".join(f" {key}={value}" for key, value in {"stage": job["stage"], **run}.items())
    except (OSError, LookupError, TypeError, AttributeError, json.JSONDecodeError):
        return ""
