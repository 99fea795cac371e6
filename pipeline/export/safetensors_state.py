"""Writes model.safetensors for timm and transformers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

# Releases of transformers before 5 refuse a file without this.
_METADATA = {"format": "pt"}


def write_state(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, made contiguous: else safetensors writes an array's memory in the wrong order."""
    save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path, _METADATA)
