"""Numbers in MATLAB's .mat files."""

import zlib
from pathlib import Path

import numpy as np


def matlab_array(file: Path, key: str) -> np.ndarray:
    """One array of numbers.

    Raises:
        ValueError: a damaged file or one of version 7.3, no such array, or no numbers in it.
    """
    # Imported here: SciPy is large, and few sets need it.
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found = loadmat(file, variable_names=[key])
    except (MatReadError, NotImplementedError, TypeError, ValueError, OSError, zlib.error) as error:
        raise ValueError(f"{file}: damaged .mat file, or of a version that is not read: {error}") from error
    values = found.get(key)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif":
        raise ValueError(f"{file}: expected numbers in {key!r}, found {type(values).__name__}")
    return values
