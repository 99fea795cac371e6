"""The state of a training and its checkpoints, which are loaded strictly.

They hold no random state: every draw is a function of (seed, purpose, step), see
`pipeline.training.random_generators`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import jittor as jt
import numpy as np

from pipeline.models.weights import WeightsError, assign_parameters
from pipeline.optim.optimizers import Optimizer
from pipeline.training.checkpoint_files import (
    Saved,
    newest_intact,
    read_checkpoint,
    write_checkpoint,
    write_newest,
)

_OPTIMIZER = "optimizer/"


class TrainingState(Protocol):
    """Everything that a training step reads and changes; a frozen dataclass."""

    optimizer: Optimizer
    step: int  # optimiser steps done

    @property
    def tensors(self) -> dict[str, jt.Var]:
        """All tensors but the optimiser's, by name."""


State = TypeVar("State", bound=TrainingState)


def save_checkpoint(path: Path, state: TrainingState, *, run: str) -> None:
    """Write networks, method state, optimiser moments and step.

    Args:
        run: digest of everything that determines the result.
    """
    write_checkpoint(path, *checkpoint_content(state, run))


def save_newest(folder: Path, state: TrainingState, *, run: str) -> None:
    """Write the newest checkpoint of the training in `folder`; the one before it is kept."""
    write_newest(folder, *checkpoint_content(state, run))


def load_checkpoint(path: Path, state: State, *, run: str | None = None) -> State:
    """Load a checkpoint into a fresh state, strictly.

    Args:
        run: the digest that the checkpoint must have; None accepts any whose arrays fit.

    Raises:
        WeightsError: the file is damaged, no checkpoint, of another run, or does not fit networks or
            optimiser.
    """
    return _filled(state, read_checkpoint(path), run)


def load_newest(
    folder: Path, fresh_state: Callable[[], State], *, run: str, say: Callable[[str], None]
) -> State | None:
    """The state of the newest intact checkpoint of the training in `folder`; None if there is none.

    Args:
        fresh_state: makes the state into which the checkpoint is loaded.
        say: prints a line about a damaged checkpoint and what is used instead.

    Raises:
        WeightsError: the checkpoint is of another run, or does not fit networks or optimiser.
    """
    saved = newest_intact(folder, say)
    return None if saved is None else _filled(fresh_state(), saved, run)


def checkpoint_content(state: TrainingState, run: str) -> tuple[dict[str, np.ndarray], dict[str, int | str]]:
    """A checkpoint's arrays, copied, and its metadata."""
    arrays = {name: value.numpy().copy() for name, value in state.tensors.items()}
    arrays |= {f"{_OPTIMIZER}{name}": value for name, value in state.optimizer.state().items()}
    return arrays, {"step": state.step, "run": run}


def _filled(state: State, saved: Saved, run: str | None) -> State:
    path, arrays, metadata = saved
    if run not in (None, metadata["run"]):
        raise WeightsError(f"{path}: belongs to another configuration; delete it to start afresh")
    step = metadata["step"]
    if not isinstance(step, int):
        raise WeightsError(f"{path}: step is {step!r}, expected a whole number")
    moments = {name: array for name, array in arrays.items() if name.startswith(_OPTIMIZER)}
    tensors = {name: array for name, array in arrays.items() if name not in moments}
    assign_parameters(state.tensors, tensors, origin=str(path))
    try:
        state.optimizer.load_state({name.removeprefix(_OPTIMIZER): each for name, each in moments.items()})
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    return replace(state, step=step)
