"""Arrays in one .npz file."""

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


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of NumPy arrays and of nothing else."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path) -> ArraySource:
    """Read `{train,val,test}_images` and `_labels` (or `x_train`, `y_train`, ..., or `images`, `labels`).

    Images are (n, H, W) or (n, H, W, C) uint8, labels (n,) or (n, 1) integers; `class_names` is optional.

    Raises:
        ValueError: no image arrays, wrong shapes or dtypes, Python objects inside, or a damaged file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        refuse_expansion(
            path, sum(each.file_size for each in members), sum(each.compress_size for each in members)
        )
        with np.load(path, allow_pickle=False) as arrays:
            parts = [part for split in _KEYS if (part := _part(path, arrays, split)) is not None]
            names = (
                [str(name) for name in _array(path, arrays, "class_names")]
                if "class_names" in arrays
                else None
            )
            found = list(arrays)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path}: damaged .npz file: {error}") from error
    if not parts:
        raise ValueError(f"{path}: expected arrays such as train_images or x_train, found {found}")
    return ArraySource(parts, class_names=names)


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
        return arrays[key]
    except (ValueError, MemoryError) as error:
        raise ValueError(f"{origin(path, key)}: expected plain numbers or text: {error}") from error
