"""The state of a joint training in one safetensors file: complete, strict, whole or not at all."""

from dataclasses import replace
from pathlib import Path

import jittor as jt
import numpy as np

from pipeline.config.studies import JointTrainingConfig
from pipeline.models.weights import WeightsError, assign_parameters, read_arrays, write_arrays
from pipeline.search.step import JointState
from pipeline.storage.files import sha256_of_json


def save_checkpoint(path: Path, state: JointState, config: JointTrainingConfig) -> None:
    """Write students, teachers, optimiser moments, the methods' own states and the step."""
    arrays = _arrays(_tensors(state))
    arrays |= {f"optimizer/{name}": value for name, value in state.optimizer.state().items()}
    write_arrays(path, arrays, {"step": state.step, "config": _digest(config)})


def load_checkpoint(path: Path, state: JointState, config: JointTrainingConfig) -> JointState:
    """Put a checkpoint into a fresh state.

    Raises:
        WeightsError: unreadable, made under another configuration, or not fitting the networks.
        ValueError: the optimiser's state does not fit.
    """
    arrays, metadata = read_arrays(path)
    if metadata.get("config") != _digest(config):
        raise WeightsError(f"{path}: belongs to another configuration; delete it to start afresh")
    step = metadata.get("step")
    if not isinstance(step, int):
        raise WeightsError(f"{path}: step is {step!r}, expected a whole number")
    moments = {name: array for name, array in arrays.items() if name.startswith("optimizer/")}
    own = {name: array for name, array in arrays.items() if name not in moments}
    assign_parameters(_tensors(state), own, origin=str(path))
    state.optimizer.load_state({name.removeprefix("optimizer/"): array for name, array in moments.items()})
    return replace(state, step=step)


def _tensors(state: JointState) -> dict[str, jt.Var]:
    named = {f"student/{name}": value for name, value in state.students.items()}
    named |= {f"teacher/{name}": value for name, value in state.teachers.items()}
    for candidate, memory in state.memories.items():
        named |= {f"memory/{candidate}/{name}": value for name, value in memory.items()}
    return named


def _arrays(tensors: dict[str, jt.Var]) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in tensors.items()}


def _digest(config: JointTrainingConfig) -> str:
    return sha256_of_json(config.model_dump(mode="json"))
