"""Named arrays <-> networks, strict in names, shapes and types."""

from collections.abc import Mapping

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.weights.error import WeightsError


def named_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """A copy of every parameter of `network` by name."""
    return {name: parameter.numpy().copy() for name, parameter in network.named_parameters()}


def assign_arrays(network: nn.Module, arrays: Mapping[str, np.ndarray], origin: str) -> None:
    """Give every parameter of `network` the array of its name.

    Raises:
        WeightsError: as of `assign_parameters`.
    """
    assign_parameters(dict(network.named_parameters()), arrays, origin)


def assign_parameters(
    parameters: Mapping[str, jt.Var], arrays: Mapping[str, np.ndarray], origin: str
) -> None:
    """Give every parameter the array of its name; what takes a gradient goes on taking one.

    Raises:
        WeightsError: a name is missing or unexpected, or a shape or type differs; all are listed and
            nothing is changed.
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
        # Assigning may carry the source's flag over; a frozen student would train to nothing in silence.
        (parameter.start_grad if trainable else parameter.stop_grad)()
