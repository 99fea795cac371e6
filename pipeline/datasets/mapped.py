"""Maps a file's bytes into memory, once for all threads."""

from pathlib import Path

import numpy as np


def mapped_bytes(path: Path, expected: int) -> np.ndarray:
    """(expected,) uint8, read-only.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it has another length.
    """
    found = path.stat().st_size
    if found != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes, found {found}; delete the folder and prepare again"
        )
    if not expected:  # an empty file cannot be mapped
        return np.zeros(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, mode="r"))
