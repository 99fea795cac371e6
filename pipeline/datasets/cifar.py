"""CIFAR-10 and CIFAR-100, "python version": a folder, or the .tar.gz as published.

The batches are pickles, and unpickling can run any code. So `plain_pickle` reads plain values and arrays of
bytes from them and nothing else; not even NumPy's own constructors are called.

Source: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.datasets.archive import DAMAGED_ARCHIVE
from pipeline.datasets.arrays import ArrayPart, ArraySource
from pipeline.datasets.hidden import is_hidden
from pipeline.weights.plain_pickle import PickleRefused, Stateful, plain_value

_SIDE = 32  # pixels
_MAX_BATCH_BYTES = 2**29
# Per variant: training files, test file, file of names, key of names, key of labels.
_VARIANTS = {
    "cifar-10": (
        [f"data_batch_{n}" for n in range(1, 6)],
        "test_batch",
        "batches.meta",
        "label_names",
        "labels",
    ),
    "cifar-100": (["train"], "test", "meta", "fine_label_names", "fine_labels"),
}
_BATCH_NAMES = {name for training, test, meta, *_ in _VARIANTS.values() for name in (*training, test, meta)}
_TAR_NAMES = _BATCH_NAMES | {"readme.html", "file.txt~"}  # everything in the published archives


def cifar_files(path: Path) -> dict[str, Callable[[], bytes]] | None:
    """{file name: function that reads it} if a folder or archive contains CIFAR batches, else None.

    They may be in one subfolder, as in the published archives.
    """
    files = _in_folder(path) if path.is_dir() else _in_tar(path)
    return files if _variant(files) else None


def read_cifar(path: Path) -> ArraySource:
    """Read CIFAR-10 (10 classes) or CIFAR-100 (its 100 fine classes).

    Raises:
        ValueError: not CIFAR, wrong sizes, or a pickle of anything but plain values.
    """
    files = cifar_files(path)
    if files is None:
        raise ValueError(f"{path}: expected data_batch_1..5, test_batch, batches.meta, or train, test, meta")
    training, test, meta, names_key, labels_key = _VARIANTS[_variant(files)]
    parts = []
    for split, names in (("train", training), ("test", [test])):
        batches = [_batch(path, name, files[name](), labels_key) for name in names if name in files]
        images, labels = (np.concatenate(column) for column in zip(*batches, strict=True))
        parts.append(ArrayPart(split, images, labels, str(path)))
    class_names = _field(path, meta, _plain_values(path, meta, files[meta]()), names_key)
    return ArraySource(parts, class_names=[_text(name) for name in class_names])


def _batch(path: Path, name: str, data: bytes, labels_key: str) -> tuple[np.ndarray, np.ndarray]:
    values = _plain_values(path, name, data)
    pixels = _field(path, name, values, "data")
    labels = np.asarray(_field(path, name, values, labels_key))
    if not isinstance(pixels, _Array) or pixels.values is None:
        raise ValueError(f"{path}: {name}: expected an array under 'data', found {type(pixels).__name__}")
    images = pixels.values
    if images.ndim != 2 or images.shape[1] != 3 * _SIDE * _SIDE:
        raise ValueError(f"{path}: {name}: expected data of (n, {3 * _SIDE * _SIDE}), found {images.shape}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{path}: {name}: expected {len(images)} labels, found shape {labels.shape}")
    return images.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1), labels


class _Dtype(Stateful):
    """Stands for a NumPy dtype in a pickle; keeps its name only."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        self.name = _text(name)

    def set_state(self, state: Any) -> None:
        """Ignored: bytes have no byte order."""


class _Array(Stateful):
    """Stands for a NumPy array in a pickle; accepts unsigned bytes only."""

    values: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        match state:
            case (_, tuple(shape), _Dtype(name="u1"), bool(is_fortran), bytes() | str() as raw):
                raw = raw.encode("latin1") if isinstance(raw, str) else raw
                values = np.frombuffer(raw, np.uint8)
                self.values = values.reshape(shape, order="F" if is_fortran else "C")
            case _:
                raise PickleRefused("an array that does not hold unsigned bytes")


def _latin1(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleRefused(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _no_outside_object(_: Any) -> Any:
    raise PickleRefused("an outside object")


# Names that a batch's pickle calls -> what is called instead.
_CALLS = {
    "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
    "numpy._core.multiarray._reconstruct": lambda *_: _Array(),
    "numpy.dtype": _Dtype,
    "_codecs.encode": _latin1,  # bytes, as Python 3 writes them in the old protocol
}


def _plain_values(path: Path, name: str, data: bytes) -> dict:
    try:
        values = plain_value(
            io.BytesIO(data), _CALLS, "numpy.ndarray".__eq__, _no_outside_object, most_bytes=_MAX_BATCH_BYTES
        )
    except PickleRefused as refused:
        raise ValueError(f"{path}: {name}: refused, not a plain CIFAR batch: it holds {refused}") from refused
    if not isinstance(values, dict):
        raise ValueError(f"{path}: {name}: expected a dictionary, found {type(values).__name__}")
    return {_text(key): value for key, value in values.items()}


def _field(path: Path, name: str, values: dict, key: str) -> Any:
    if key not in values:
        raise ValueError(f"{path}: {name}: expected the key {key!r}, found {sorted(values)}")
    return values[key]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _variant(files: dict[str, Any]) -> str | None:
    for variant, (training, test, meta, *_) in _VARIANTS.items():
        if training[0] in files and test in files and meta in files:
            return variant
    return None


def _in_folder(folder: Path) -> dict[str, Callable[[], bytes]]:
    """The batches in a folder or in its only subfolder. Others are not searched: there may be millions."""
    found = _batches_in(folder)
    if found:
        return found
    with os.scandir(folder) as listing:
        below = [entry.path for entry in listing if entry.is_dir() and not is_hidden(entry.name)]
    return _batches_in(Path(below[0])) if len(below) == 1 else {}


def _batches_in(folder: Path) -> dict[str, Callable[[], bytes]]:
    return {name: (folder / name).read_bytes for name in _BATCH_NAMES if (folder / name).is_file()}


def _in_tar(path: Path) -> dict[str, Callable[[], bytes]]:
    """The batches in a tar. Other archives are recognised by the name of their first file."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile():
                    continue
                if name.name not in _TAR_NAMES or len(name.parts) > 2 or member.size > _MAX_BATCH_BYTES:
                    return {}
                found[name.name] = archive.extractfile(member).read()
    except DAMAGED_ARCHIVE:
        return {}
    return {name: (lambda data=data: data) for name, data in found.items()}
