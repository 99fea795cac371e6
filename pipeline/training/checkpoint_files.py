"""The last two checkpoints of a training, each with a digest; if the newer is damaged, the older is used."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.storage.files import sha256_of_json
from pipeline.weights.arrays import read_arrays, write_arrays
from pipeline.weights.error import WeightsError

CHECKPOINT = "checkpoint.safetensors"
BEFORE = "checkpoint-before.safetensors"  # the previous one
_COMING = "checkpoint-coming.safetensors"  # complete, but not yet renamed
_DAMAGED = "checkpoint-damaged.safetensors"  # the last one found damaged, kept for inspection
_DIGEST = "sha256"
_KEYS = {"step", "run"}  # in every checkpoint's metadata


class Saved(NamedTuple):
    """The content of a checkpoint."""

    path: Path
    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]  # `step`, and `run`, the digest of everything that determines the result


class Damaged(WeightsError):
    """The file differs from the checkpoint that was written."""


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write one checkpoint, whole or not at all, with a digest of its content."""
    write_arrays(path, arrays, {**metadata, _DIGEST: _digest(arrays, metadata)})


def write_newest(folder: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write the newest checkpoint of a training, and keep the previous one.

    If it is interrupted at any point, at least one of the two is intact; if writing fails, both are.
    """
    newest, coming = folder / CHECKPOINT, folder / _COMING
    write_checkpoint(coming, arrays, metadata)
    if newest.is_file():
        os.replace(newest, folder / BEFORE)
    os.replace(coming, newest)


def read_checkpoint(path: Path) -> Saved:
    """Read one checkpoint; one of an older version, without a digest, is not verified.

    Raises:
        Damaged: not a complete safetensors file, or its content does not match its digest.
        WeightsError: there is no such file.
        OSError: the file cannot be opened.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    with open(path, "rb"):  # a file that cannot be opened now is not damaged
        pass
    try:
        arrays, metadata = read_arrays(path)
    except WeightsError as error:
        raise Damaged(str(error)) from error
    if not isinstance(metadata, dict):
        raise Damaged(f"{path}: its metadata are {type(metadata).__name__}, expected names with values")
    expected = metadata.pop(_DIGEST, None)
    if not metadata.keys() >= _KEYS or (expected is None and metadata.keys() != _KEYS):
        raise Damaged(f"{path}: no checkpoint of a training; its metadata are {sorted(metadata)}")
    try:
        found = _digest(arrays, metadata)
    except ValueError as error:  # metadata that are no JSON, such as NaN
        raise Damaged(f"{path}: damaged metadata ({error})") from error
    if expected not in (None, found):
        raise Damaged(f"{path}: damaged: the SHA-256 of its content is {found}, it states {expected}")
    return Saved(path, arrays, metadata)


def newest_intact(folder: Path, say: Callable[[str], None]) -> Saved | None:
    """The newest intact checkpoint; None if there is none. Damaged ones are renamed.

    Args:
        say: prints a line about a damaged checkpoint and what is used instead.

    Raises:
        OSError: a checkpoint cannot be opened.
    """
    damage = []
    for name in (_COMING, CHECKPOINT, BEFORE):
        if not (folder / name).is_file():
            continue
        try:
            saved = read_checkpoint(folder / name)
        except Damaged as error:
            damage.append(str(error))
            os.replace(folder / name, folder / _DAMAGED)
            continue
        if damage:
            say(f"{damage[0]}; going on from the checkpoint before, of step {saved.metadata.get('step')}")
        return saved
    if damage:
        say(f"{'; '.join(damage)}; no checkpoint is whole: starting from step 0")
    return None


def delete_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of the training in `folder`, which then starts from step 0."""
    for name in (_COMING, CHECKPOINT, BEFORE):
        (folder / name).unlink(missing_ok=True)


def _digest(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """SHA-256 over names, dtypes, shapes, values and metadata."""
    digest = hashlib.sha256(sha256_of_json(dict(metadata)).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
