"""Arrays in one .npz file."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from pipeline.datasets.arrays import ArrayPart, ArraySource, labels_of_any_shape, origin
from pipeline.datasets.expansion import refuse_expansion

# Split -> the names under which its images and labels are looked for, first found wins.
_KEYS = {
    "train": (("train_images", "x_train", "images"), ("train_labels", "y_train", "labels")),
    "val": (("val_images", "x_val", "x_valid"), ("val_labels", "y_val", "y_valid")),
    "test": (("test_images", "x_test"), ("test_labels", "y_test")),
}


# What the readers of Python and NumPy let out when a file is damaged.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError,
    ArithmeticError, LookupError, TypeError, SyntaxError, NotImplementedError, MemoryError,
)  # fmt: skip


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of NumPy arrays and of nothing else."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _DAMAGED:
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path) -> ArraySource:
    """Read `{train,val,test}_images` and `_labels` (or `x_train`, `y_train`, ..., or `images`, `labels`).

    Images are (n, H, W) or (n, H, W, C) uint8, labels (n,) or (n, 1) integers; `class_names` is optional.

    Raises:
        ValueError: no image arrays, wrong shapes or dtypes, Python objects inside, or a damaged file.
    """
    _refuse_expansion(path)
    with _opened(path) as arrays:
        parts = [part for split in _KEYS if (part := _part(path, arrays, split)) is not None]
        named = "class_names" in arrays
        names = [str(name) for name in _array(path, arrays, "class_names").ravel()] if named else None
        found = list(arrays)
    if not parts:
        raise ValueError(f"{path}: expected arrays such as train_images or x_train, found {found}")
    return ArraySource(parts, class_names=names)


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


def _part(path: Path, arrays: np.lib.npyio.NpzFile, split: str) -> ArrayPart | None:
    image_keys, label_keys = _KEYS[split]
    images_key = next((key for key in image_keys if key in arrays), None)
    if images_key is None:
        return None
    labels_key = next((key for key in label_keys if key in arrays), None)
    labels = None if labels_key is None else labels_of_any_shape(_array(path, arrays, labels_key))
    return ArrayPart(split, _array(path, arrays, images_key), labels, origin(path, images_key))


def _array(path: Path, arrays: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    try:
        found = arrays[key]
    except _DAMAGED as error:
        raise ValueError(f"{origin(path, key)}: expected plain numbers or text: {error}") from error
    if not isinstance(found, np.ndarray):  # NumPy returns the bytes of what is no array
        raise ValueError(f"{origin(path, key)}: expected an array, found {type(found).__name__}")
    return found
