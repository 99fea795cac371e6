"""Reads and writes named arrays in one .npz file whose bytes depend on the arrays alone."""

import zipfile
from pathlib import Path

import numpy as np

from pipeline.storage.files import replacing

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # NumPy's own writer stores the time of day


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write an .npz file, whole or not at all; equal arrays give equal bytes."""
    with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", _LONG_AGO)
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(values), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an .npz file."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
