"""Reads arrays in one .npz file."""

import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np

from pipeline.datasets.arrays import ArraySource, named_parts, not_read, origin
from pipeline.datasets.expansion import refuse_expansion

# What the readers of Python and NumPy raise for a damaged file.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError,
    ArithmeticError, LookupError, TypeError, SyntaxError, NotImplementedError, MemoryError,
    TokenError,  # of a header whose brackets do not close
)  # fmt: skip


def is_npz(path: Path) -> bool:
    """Whether a file is a zip that contains only NumPy arrays."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _DAMAGED:
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(
    path: Path, *, has_channels: bool = False, labels: Literal["one", "several"] | None = None
) -> ArraySource:
    """Read `{train,val,test}_images` and `_labels` (or `x_train`, `y_train`, ..., or `images`, `labels`).

    Images are (n, H, W) or (n, H, W, C) uint8, labels (n,) or (n, 1) integers, or (n, K) of 0 and 1;
    `class_names` is optional.

    Args:
        has_channels: `data.channels` is given; images may then have any numeric type.
        labels: `data.labels`.

    Raises:
        ValueError: no image arrays, wrong shapes or dtypes, Python objects inside, or a damaged file.
    """
    _refuse_expansion(path)
    with _opened(path) as arrays:
        read = partial(_array, path, arrays)
        parts = named_parts(path, arrays, read, read, has_channels=has_channels)
        named = "class_names" in arrays
        names = [str(name) for name in _array(path, arrays, "class_names").ravel()] if named else None
        found = list(arrays)
    if not parts:
        raise ValueError(f"{path}: expected arrays such as train_images or x_train, found {found}")
    return ArraySource(parts, class_names=names, stated=labels, notes=not_read(found))


def _refuse_expansion(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except _DAMAGED as error:
        raise ValueError(f"{path}: damaged .npz file: {error}") from error
    refuse_expansion(path, sum(each.file_size for each in members), path.stat().st_size)


def _opened(path: Path) -> np.lib.npyio.NpzFile:
    try:
        return np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        raise ValueError(f"{path}: damaged .npz file: {error}") from error


def _array(path: Path, arrays: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    try:
        found = arrays[key]
    except _DAMAGED as error:
        raise ValueError(f"{origin(path, key)}: expected plain numbers or text: {error}") from error
    if not isinstance(found, np.ndarray):  # NumPy returns bytes for a member that is not an array
        raise ValueError(f"{origin(path, key)}: expected an array, found {type(found).__name__}")
    return found
