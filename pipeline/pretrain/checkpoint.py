"""The state of a run in one safetensors file: complete, strict, whole or not at all.

Random state is not in it: every draw is a function of (seed, purpose, step), see
`pipeline.training.random_streams`.
"""

from dataclasses import replace
from pathlib import Path

import jittor as jt
import numpy as np

from pipeline.config.stages import PretrainConfig, StartConfig
from pipeline.models.weights import WeightsError, assign_arrays, named_arrays, read_arrays, write_arrays
from pipeline.pretrain.step import TrainState
from pipeline.storage.files import sha256_of_file, sha256_of_json


def save_checkpoint(path: Path, state: TrainState, config: PretrainConfig) -> None:
    """Write student, teacher if there is one, optimiser moments, the method's own state and the step."""
    groups = {
        "student": named_arrays(state.student),
        "teacher": named_arrays(state.teacher) if state.teacher is not None else {},
        "optimizer": state.optimizer.state(),
        "memory": {name: value.numpy().copy() for name, value in state.memory.items()},
    }
    arrays = {f"{group}/{name}": array for group, named in groups.items() for name, array in named.items()}
    write_arrays(path, arrays, {"step": state.step, "config": _digest(config)})


def load_checkpoint(path: Path, state: TrainState, config: PretrainConfig) -> TrainState:
    """Put a checkpoint into a fresh state.

    Raises:
        WeightsError: unreadable, made under another configuration, or not fitting the networks.
    """
    arrays, metadata = read_arrays(path)
    if metadata.get("config") != _digest(config):
        raise WeightsError(f"{path}: belongs to another configuration; delete it to start afresh")
    return _filled(state, arrays, metadata, path)


def load_start(start: StartConfig, state: TrainState, *, num_steps: int) -> TrainState:
    """Put another run's checkpoint into a fresh state: networks, moments, own state and step, all of it.

    Args:
        start: the file. Its configuration may have been another as long as every array fits.
        num_steps: of the run that goes on from there.

    Raises:
        WeightsError: not a checkpoint of this project, changed since the experiment was read, not fitting,
            or of a step that the run does not reach.
    """
    path = Path(start.checkpoint)
    arrays, metadata = read_arrays(path)
    if start.sha256 not in (None, found := sha256_of_file(path)):
        raise WeightsError(f"{path}: its SHA-256 is {found}, expected {start.sha256}")
    if not {"step", "config"} <= metadata.keys():
        raise WeightsError(f"{path}: no checkpoint of a pretraining; its metadata are {sorted(metadata)}")
    state = _filled(state, arrays, metadata, path)
    if not 0 <= state.step < num_steps:
        raise WeightsError(f"{path}: is of step {state.step}; the run ends at step {num_steps}")
    return state


def _filled(
    state: TrainState, arrays: dict[str, np.ndarray], metadata: dict[str, object], path: Path
) -> TrainState:
    """The arrays of a checkpoint in place of a fresh state's, strictly."""
    groups: dict[str, dict[str, np.ndarray]] = {"student": {}, "teacher": {}, "optimizer": {}, "memory": {}}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups:
            raise WeightsError(f"{path}: unexpected array {name!r}")
        groups[group][rest] = array
    assign_arrays(state.student, groups["student"], origin=f"{path} (student)")
    if state.teacher is not None:
        assign_arrays(state.teacher, groups["teacher"], origin=f"{path} (teacher)")
    elif groups["teacher"]:
        raise WeightsError(f"{path}: holds a teacher; this method has none")
    try:
        state.optimizer.load_state(groups["optimizer"])
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    step = metadata["step"]
    if not isinstance(step, int):
        raise WeightsError(f"{path}: step is {step!r}, expected a whole number")
    return replace(state, memory=_memory(groups["memory"], state.memory, path), step=step)


def _memory(arrays: dict[str, np.ndarray], fresh: dict[str, jt.Var], path: Path) -> dict[str, jt.Var]:
    """Arrays of the file in place of a fresh state of the same names and shapes."""
    expected = {name: tuple(value.shape) for name, value in fresh.items()}
    found = {name: array.shape for name, array in arrays.items()}
    if found != expected:
        raise WeightsError(f"{path}: the method's own state is {found}, expected {expected}")
    return {name: jt.array(arrays[name]).stop_grad() for name in expected}


def _digest(config: PretrainConfig) -> str:
    return sha256_of_json(config.model_dump(mode="json"))
