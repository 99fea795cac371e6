"""Writes vectors of any number of images, in parts on disk, so that a killed run can be resumed.

Shapes: n images of a part, D channels, N patches. A part is an .npz of `path` (n,), `cls` (n, D) float32,
`patch_mean` (n, D) float32, optionally `patches` (n, N, D) float32, and path and reason of undecodable
images.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.source import Source
from pipeline.inference.crops import Crops, View, crop_batches
from pipeline.inference.images import Decoding
from pipeline.storage.files import read_json, replacing, write_json

_PART_IMAGES = 2048  # at most, unless a batch is larger
_PART_BYTES = 2**26
_RUN = "run.json"

# Batch (B, 3, S, S) float32 -> arrays by name, each with B rows.
Forward = Callable[[np.ndarray], dict[str, np.ndarray]]


class OtherRun(ValueError):
    """The existing parts are of other images, of another network, or made in another way."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Images, and a network that computes their vectors.

    Args:
        identity: everything that affects the result, as JSON; parts with another identity are refused.
        row_bytes: size of one image's vectors.
    """

    source: Source
    decoding: Decoding
    view: View
    forward: Forward
    identity: dict[str, Any]
    batch_size: int
    row_bytes: int
    num_threads: int

    @property
    def images_per_part(self) -> int:
        """Whole batches, so that each image shares its batch with the same others, interrupted or not."""
        most = min(_PART_IMAGES, _PART_BYTES // self.row_bytes)
        return max(1, most // self.batch_size) * self.batch_size


def finished_images(embedding: Embedding, folder: Path) -> int:
    """Number of images in the parts that exist in `folder`.

    Raises:
        OtherRun: they belong to another run; the message names the differences.
    """
    if not (folder / _RUN).is_file():
        return 0
    found = read_json(folder / _RUN)
    changed = [name for name, value in embedding.identity.items() if found.get(name) != value]
    if changed:
        raise OtherRun(
            f"{folder} holds parts of another run, with another {', '.join(changed)}: delete it, or name "
            "another file by out="
        )
    whole = next(i for i in itertools.count() if not _part(folder, i).is_file())
    return min(whole * embedding.images_per_part, len(embedding.source))


def embed(embedding: Embedding, folder: Path, progress: Callable[[int, int], None]) -> list[Path]:
    """Write the missing parts in `folder`.

    Args:
        progress: called with the number of images, and of unusable ones among them, for each existing part.

    Returns:
        All parts, in order.

    Raises:
        OtherRun: see `finished_images`.
        FloatingPointError: a vector is not finite.
    """
    done = finished_images(embedding, folder)
    write_json(folder / _RUN, embedding.identity)
    size, num_images = embedding.images_per_part, len(embedding.source)
    paths = [_part(folder, index) for index in range(-(-num_images // size))]
    for index in range(-(-done // size)):
        with np.load(paths[index]) as part:
            progress(min(size, num_images - index * size), len(part["bad_path"]))
    batches = crop_batches(
        embedding.source,
        itertools.islice(embedding.source.entries(), done, num_images),
        embedding.decoding,
        embedding.view,
        batch_size=embedding.batch_size,
        num_threads=embedding.num_threads,
    )
    batches_per_part = size // embedding.batch_size
    for path in paths[-(-done // size) :]:
        kept, reasons = [], []
        for crops in itertools.islice(batches, batches_per_part):
            kept.append(_vectors(embedding.forward, crops))
            reasons += crops.reasons
            progress(len(crops.paths), len(crops.reasons))
        arrays = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
        bad = np.array(reasons, str).reshape(-1, 2)
        with replacing(path) as partial, open(partial, "wb") as stream:
            np.savez(stream, **arrays, bad_path=bad[:, 0], bad_reason=bad[:, 1])
    return paths


def unusable(parts: list[Path]) -> Iterator[tuple[str, str]]:
    """Path and reason of every image that could not be decoded."""
    for path in parts:
        with np.load(path) as part:
            yield from zip(part["bad_path"].tolist(), part["bad_reason"].tolist(), strict=True)


def _vectors(forward: Forward, crops: Crops) -> dict[str, np.ndarray]:
    good = np.flatnonzero(crops.is_good)
    found = {name: array[good] for name, array in forward(crops.images).items()}
    for name, array in found.items():
        is_finite = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if not is_finite.all():
            path = crops.paths[good[np.argmin(is_finite)]]
            raise FloatingPointError(f"{path}: {name} of this image is not finite")
    paths = [_readable(crops.paths[place]) for place in good]
    return {"path": np.array(paths, str), **found}


def _readable(path: str) -> str:
    """A path as text for any format; bytes that are not UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _part(folder: Path, index: int) -> Path:
    return folder / f"part-{index:06d}.npz"
