"""The state of a training in one safetensors file, written whole or not at all and read strictly.

Random state is not in it: every draw is a function of (seed, purpose, step), see
`pipeline.training.random_generators`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import jittor as jt

from pipeline.models.weights import WeightsError, assign_parameters
from pipeline.optim.optimizers import Optimizer
from pipeline.weights.arrays import read_arrays, write_arrays

_OPTIMIZER = "optimizer/"


class TrainingState(Protocol):
    """Everything that a training step reads and changes; a frozen dataclass."""

    optimizer: Optimizer
    step: int  # optimiser steps done

    @property
    def tensors(self) -> dict[str, jt.Var]:
        """Every tensor but the optimiser's, by name."""


State = TypeVar("State", bound=TrainingState)


def save_checkpoint(path: Path, state: TrainingState, *, run: str) -> None:
    """Write networks, the method's own state, optimiser moments and the step.

    Args:
        run: digest of all that decides the result.
    """
    arrays = {name: value.numpy().copy() for name, value in state.tensors.items()}
    arrays |= {f"{_OPTIMIZER}{name}": value for name, value in state.optimizer.state().items()}
    write_arrays(path, arrays, {"step": state.step, "run": run})


def load_checkpoint(path: Path, state: State, *, run: str | None = None) -> State:
    """Put a checkpoint into a fresh state, strictly.

    Args:
        run: the digest that the checkpoint must be of; None takes any whose arrays fit.

    Raises:
        WeightsError: unreadable, no checkpoint, of another run, or not fitting networks or optimiser.
    """
    arrays, metadata = read_arrays(path)
    if not {"step", "run"} <= metadata.keys():
        raise WeightsError(f"{path}: no checkpoint of a training; its metadata are {sorted(metadata)}")
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
