"""The state of a fine-tuning in one safetensors file: complete, strict, whole or not at all."""

from pathlib import Path

import numpy as np
from jittor import nn

from pipeline.kernels.adamw import AdamW
from pipeline.models.weights import WeightsError, assign_arrays, named_arrays, read_arrays, write_arrays

_GROUPS = ("network", "optimizer")


def save_checkpoint(path: Path, network: nn.Module, optimizer: AdamW, *, step: int, run: str) -> None:
    """Write weights, running statistics, moments and step; `run` is the digest of what decides the result."""
    named = {"network": named_arrays(network), "optimizer": optimizer.state()}
    arrays = {f"{group}/{name}": array for group in _GROUPS for name, array in named[group].items()}
    write_arrays(path, arrays, {"step": step, "run": run})


def load_checkpoint(path: Path, network: nn.Module, optimizer: AdamW, *, run: str) -> int:
    """Put a checkpoint into network and optimiser, and return its step.

    Raises:
        WeightsError: unreadable, of another run, or not fitting the network.
        ValueError: the optimiser's state does not fit.
    """
    arrays, metadata = read_arrays(path)
    if metadata.get("run") != run:
        raise WeightsError(f"{path}: belongs to another run; delete it to start afresh")
    groups: dict[str, dict[str, np.ndarray]] = {group: {} for group in _GROUPS}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups:
            raise WeightsError(f"{path}: unexpected array {name!r}")
        groups[group][rest] = array
    step = metadata.get("step")
    if not isinstance(step, int):
        raise WeightsError(f"{path}: step is {step!r}, expected a whole number")
    assign_arrays(network, groups["network"], origin=str(path))
    optimizer.load_state(groups["optimizer"])
    return step
