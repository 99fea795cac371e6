"""Reads numbers from MATLAB's .mat files."""

import zlib
from pathlib import Path

import numpy as np


def matlab_array(file: Path, key: str) -> np.ndarray:
    """Read one array of numbers.

    Raises:
        ValueError: a damaged file or one of version 7.3, no such array, or no numbers in it.
    """
    values = _loaded(file, key)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif":
        raise ValueError(f"{file}: expected numbers in {key!r}, found {type(values).__name__}")
    return values


def matlab_fields(file: Path, key: str, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Read fields of every record of an array of structures, as text.

    Raises:
        ValueError: a damaged file, no such array, or records without these fields.
    """
    values = _loaded(file, key)
    if not isinstance(values, np.ndarray) or not set(names) <= set(values.dtype.names or ()):
        raise ValueError(f"{file}: expected records with {', '.join(names)} in {key!r}, found others")
    return [tuple(_text(record[name]) for name in names) for record in values.ravel()]


def _text(value: np.ndarray) -> str:
    """A text, or one number; MATLAB's numbers are all floating-point."""
    is_number = value.dtype.kind in "uif" and value.size == 1
    return f"{value.item():.12g}" if is_number else str(np.squeeze(value))


def _loaded(file: Path, key: str) -> np.ndarray | None:
    # Imported here: SciPy is large, and few sets need it.
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(file, variable_names=[key]).get(key)
    except (MatReadError, NotImplementedError, TypeError, ValueError, OSError, zlib.error) as error:
        raise ValueError(f"{file}: damaged .mat file, or of a version that is not read: {error}") from error
