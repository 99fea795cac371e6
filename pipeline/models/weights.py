"""Copies named arrays from and to networks; names, shapes and types must match."""

from collections.abc import Mapping

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.weights.error import WeightsError


def named_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """A copy of every parameter of `network` by name."""
    return {name: parameter.numpy().copy() for name, parameter in network.named_parameters()}


def assign_arrays(network: nn.Module, arrays: Mapping[str, np.ndarray], origin: str) -> None:
    """Set every parameter of `network` to the array of its name.

    Raises:
        WeightsError: as in `assign_parameters`.
    """
    assign_parameters(dict(network.named_parameters()), arrays, origin)


def assign_parameters(
    parameters: Mapping[str, jt.Var], arrays: Mapping[str, np.ndarray], origin: str
) -> None:
    """Set every parameter to the array of its name; those with gradients keep them.

    Raises:
        WeightsError: a name is missing or unexpected, or a shape or type differs; all are listed and nothing
            is changed.
    """
    missing, unexpected = sorted(parameters.keys() - arrays.keys()), sorted(arrays.keys() - parameters.keys())
    reshaped = {
        name: f"expected {tuple(parameters[name].shape)} float32, "
        f"found {arrays[name].shape} {arrays[name].dtype}"
        for name in parameters.keys() & arrays.keys()
        if tuple(parameters[name].shape) != arrays[name].shape or arrays[name].dtype != np.float32
    }
    if missing or unexpected or reshaped:
        raise WeightsError(
            f"{origin} does not fit this network: missing {missing}, unexpected {unexpected}, "
            f"different {reshaped}"
        )
    for name, parameter in parameters.items():
        trainable = parameter.requires_grad
        parameter.assign(jt.array(arrays[name]))
        # Assigning may copy the source's flag; a frozen student would be trained without effect, in silence.
        (parameter.start_grad if trainable else parameter.stop_grad)()
