"""The state of a run in one safetensors file: complete, strict, whole or not at all.

Random state is not in it: every draw is a function of (seed, purpose, step), see `pipeline.streams`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.files import sha256_of_json
from pipeline.models.weights import WeightsError, assign_arrays, named_arrays, read_arrays, write_arrays
from pipeline.pretrain.centers import centers_from_arrays, centers_to_arrays
from pipeline.pretrain.step import TrainState


def save_checkpoint(path: Path, state: TrainState, config: PretrainConfig) -> None:
    """Write student, teacher, optimiser moments, centres and step."""
    groups = {
        "student": named_arrays(state.student),
        "teacher": named_arrays(state.teacher),
        "optimizer": state.optimizer.state(),
        "centers": centers_to_arrays(state.centers),
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
    groups: dict[str, dict[str, np.ndarray]] = {"student": {}, "teacher": {}, "optimizer": {}, "centers": {}}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups:
            raise WeightsError(f"{path}: unexpected array {name!r}")
        groups[group][rest] = array
    assign_arrays(state.student, groups["student"], origin=f"{path} (student)")
    assign_arrays(state.teacher, groups["teacher"], origin=f"{path} (teacher)")
    state.optimizer.load_state(groups["optimizer"])
    step = metadata["step"]
    if not isinstance(step, int):
        raise WeightsError(f"{path}: step is {step!r}, expected a whole number")
    return replace(state, centers=centers_from_arrays(groups["centers"]), step=step)


def _digest(config: PretrainConfig) -> str:
    return sha256_of_json(config.model_dump(mode="json"))
