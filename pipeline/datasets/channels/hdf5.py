"""Reads arrays in one HDF5 file, through h5py."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.datasets.arrays import ArraySource, named_parts, not_read, origin

_DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError)  # what h5py raises for a damaged file
_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file has the signature of HDF5."""
    with open(path, "rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def read_hdf5(
    path: Path, *, has_channels: bool = False, labels: Literal["one", "several"] | None = None
) -> ArraySource:
    """Read `images` and `labels`, or arrays with the names used in `.npz` files.

    Images stay in the file until they are read, one by one.

    Args:
        has_channels: `data.channels` is given; images then have any numeric type, else uint8.
        labels: `data.labels`.

    Raises:
        ValueError: h5py is not installed, the file is damaged, there are no images, shapes or types are
            impossible, or an array is stored in another file.
    """
    h5py = _library(path)
    try:
        file = h5py.File(path, "r")
        names = list(file)
    except _DAMAGED as error:
        raise ValueError(f"{path}: damaged HDF5 file: {error}") from error

    def images(name: str) -> Any:
        try:
            return _dataset(h5py, file, path, name)
        except (KeyError, OSError, RuntimeError) as error:
            raise ValueError(f"{path}: damaged HDF5 file, {name}: {error}") from error

    def in_memory(name: str) -> np.ndarray:
        found = images(name)
        try:
            return np.asarray(found[()])
        except _DAMAGED as error:
            raise ValueError(f"{path}: damaged HDF5 file, {name}: {error}") from error

    parts = named_parts(path, names, images, in_memory, has_channels=has_channels)
    if not parts:
        raise ValueError(f"{path}: expected an array images, found {', '.join(names) or 'nothing'}")
    class_names = None
    if "class_names" in names:
        class_names = [_text(name) for name in in_memory("class_names").ravel()]
    return ArraySource(parts, class_names=class_names, stated=labels, notes=not_read(names))


def _library(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ValueError(
            f"{path}: HDF5 files are read with h5py, which is not installed: "
            "python -m pip install -e '.[channels]'"
        ) from error
    return h5py


def _dataset(h5py: Any, file: Any, path: Path, name: str) -> Any:
    """An array stored in this file: links and external storage are not followed."""
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        raise ValueError(f"{origin(path, name)}: expected an array in this file, found a link to another")
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{origin(path, name)}: expected an array, found a group")
    if found.external or found.is_virtual:
        raise ValueError(f"{origin(path, name)}: expected an array in this file, found parts of other files")
    return found


def _text(name: str | bytes) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)
