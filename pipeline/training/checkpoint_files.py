"""The last two checkpoints of a training, each with a digest; a damaged one gives way to the one before."""

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
BEFORE = "checkpoint-before.safetensors"  # the one before
_COMING = "checkpoint-coming.safetensors"  # whole, but not in its place yet
_DAMAGED = "checkpoint-damaged.safetensors"  # the last that was found damaged, for a person to look at
_DIGEST = "sha256"
_KEYS = {"step", "run"}  # that the metadata of every checkpoint have


class Saved(NamedTuple):
    """What a checkpoint holds."""

    path: Path
    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]  # `step`, and `run`, the digest of all that decides the result


class Damaged(WeightsError):
    """A checkpoint that is not what was written."""


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write one checkpoint, whole or not at all, with a digest of all that is in it."""
    write_arrays(path, arrays, {**metadata, _DIGEST: _digest(arrays, metadata)})


def write_newest(folder: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write the newest checkpoint of a training; what was the newest is then the one before.

    Whatever ends it, the newest or the one before is whole, and both where writing itself failed.
    """
    newest, coming = folder / CHECKPOINT, folder / _COMING
    write_checkpoint(coming, arrays, metadata)
    if newest.is_file():
        os.replace(newest, folder / BEFORE)
    os.replace(coming, newest)


def read_checkpoint(path: Path) -> Saved:
    """Read one checkpoint; one without a digest, of an older version, is taken as it is.

    Raises:
        Damaged: no whole safetensors file, or not the content that its digest is of.
        WeightsError: there is no such file.
        OSError: it may not be read.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    with open(path, "rb"):  # what cannot be read now is not damaged
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


def newest_whole(folder: Path, say: Callable[[str], None]) -> Saved | None:
    """The newest checkpoint that is whole; None if there is none. Damaged ones are moved out of the way.

    Args:
        say: told of a damaged one, and of what is used in its place.

    Raises:
        OSError: one may not be read.
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


def forget(folder: Path) -> None:
    """Delete the checkpoints of the training in `folder`, which starts from step 0 then."""
    for name in (_COMING, CHECKPOINT, BEFORE):
        (folder / name).unlink(missing_ok=True)


def _digest(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> str:
    """Of names, types, shapes, numbers and metadata."""
    digest = hashlib.sha256(sha256_of_json(dict(metadata)).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
