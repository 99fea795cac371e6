"""Reads and writes this project's safetensors files: named arrays with metadata."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pipeline.storage.files import replacing
from pipeline.weights.error import WeightsError
from pipeline.weights.safetensors_file import read_safetensors

_METADATA = "metadata"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, object]) -> None:
    """Write a safetensors file, whole or not at all; equal contents give equal bytes.

    All metadata are one JSON text, as safetensors writes several entries in no fixed order.
    """
    texts = {_METADATA: json.dumps(dict(metadata), sort_keys=True)}
    with replacing(path) as partial:
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial, metadata=texts
        )


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Read what `write_arrays` wrote.

    Raises:
        WeightsError: there is no such file, or it is not a complete safetensors file.
    """
    tensors, metadata = read_safetensors(path)
    try:
        values = json.loads(metadata.get(_METADATA, "{}"))
    except json.JSONDecodeError as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from error
    return {name: tensor.array() for name, tensor in tensors.items()}, values
