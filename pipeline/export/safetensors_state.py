"""model.safetensors as timm and transformers read it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

# Releases of transformers before 5 refuse a file that does not say so.
_METADATA = {"format": "pt"}


def write_state(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name; safetensors writes the memory of one that is not contiguous under its shape."""
    save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path, _METADATA)
