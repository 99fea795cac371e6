"""Named arrays <-> networks, strict in names, shapes and types; safetensors files, no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path

import jittor as jt
import numpy as np
from jittor import nn
from safetensors.numpy import save_file

from pipeline.storage.files import replacing
from pipeline.weights.error import WeightsError
from pipeline.weights.safetensors_file import read_safetensors

_METADATA = "metadata"


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


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, object]) -> None:
    """Write a safetensors file, whole or not at all; equal contents give equal bytes.

    All metadata go into one JSON text: safetensors writes several in no fixed order.
    """
    texts = {_METADATA: json.dumps(dict(metadata), sort_keys=True)}
    with replacing(path) as partial:
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial, metadata=texts
        )


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Read what `write_arrays` wrote.

    Raises:
        WeightsError: no such file, or not a whole safetensors file.
    """
    tensors, metadata = read_safetensors(path)
    try:
        values = json.loads(metadata.get(_METADATA, "{}"))
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    return {name: tensor.array() for name, tensor in tensors.items()}, values
