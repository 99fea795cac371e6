"""Writes a prepared data set as WebDataset shards: plain tars of images and classes, read sequentially.

A shard's name begins with its split. A sample has two members: `<row>.<suffix>`, the original file, or a PNG
where only decoded images were kept; and `<row>.cls`, the index of its class, a line of classnames.txt, if it
has one. `<row>` is the row in the prepared set's manifest.
"""

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.manifest import read_digests
from pipeline.datasets.multilabel import read_label_sets
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.tables.shard_index import INDEX, Shard, write_shard_index
from pipeline.storage.files import read_json, replacing, sha256_of_file, write_json, write_text
from pipeline.training.prefetch import prefetch

CLASS_NAMES = "classnames.txt"
_PLAN, _DONE = "plan.json", ".done.json"
_BLOCK = tarfile.BLOCKSIZE  # bytes that headers and contents are padded to
_END = 2 * _BLOCK + tarfile.RECORDSIZE  # bytes that end a tar, at most


@dataclass(frozen=True)
class Sharding:
    """A prepared set and the settings of its shards.

    Training images are shuffled: many sets are stored class by class, and consecutive samples of a shard
    would all be of one class.
    """

    dataset: PreparedDataset
    max_bytes: int  # of a shard, unless one image is larger
    seed: int  # of the order

    def __post_init__(self):
        if self.dataset.annotation != "class":
            raise ValueError(
                f"{self.dataset.name}: expected images with a class at most, found "
                f"{self.dataset.annotation}: shards hold no label maps and no objects"
            )
        if read_label_sets(self.dataset) is not None:
            raise ValueError(
                f"{self.dataset.name}: expected images with a class at most, found several for each: shards "
                "hold one"
            )
        for name in self.dataset.class_names:
            if not name.strip() or len(name.splitlines()) != 1:
                raise ValueError(
                    f"{self.dataset.name}: expected class names that are one line of {CLASS_NAMES}, "
                    f"found {name!r}"
                )

    @property
    def identity(self) -> dict:
        """Everything that determines the shards' content."""
        digest = self.dataset.content_digest
        return {"content_digest": digest, "max_bytes": self.max_bytes, "seed": self.seed}

    def rows(self, split: str) -> np.ndarray:
        """(n,) rows of the manifest, in the order in which they are written."""
        rows = self.dataset.indices(split)
        return np.random.default_rng(self.seed).permutation(rows) if split == "train" else rows


def write_shards(
    sharding: Sharding,
    output: Path,
    *,
    num_threads: int,
    progress: Callable[[int], None] = lambda num_images: None,
) -> list[Shard]:
    """Write the folder `output`, whole or not at all: shards, their index, the class names.

    The shards are collected in `<output>.parts` until all are finished; those of an interrupted run are kept.

    Args:
        num_threads: threads that read files.
        progress: called for each finished shard with its number of images.

    Raises:
        FileExistsError: `output` exists.
        FileNotFoundError, ValueError: a file of the source has changed since it was prepared, or
            `<output>.parts` belongs to other shards.
    """
    if output.exists():
        raise FileExistsError(f"{output}: is there already")
    parts = output.with_name(f"{output.name}.parts")
    _start_or_go_on(parts, sharding)
    read = _Samples(sharding.dataset)
    shards = []
    for split in SPLITS[:3]:
        for shard in _shards_of_split(sharding, split, parts, read, num_threads):
            progress(shard.num_images)
            shards.append(shard)
    names = sharding.dataset.class_names
    if names:
        write_text(parts / CLASS_NAMES, "".join(f"{name}\n" for name in names))
    about = {"name": sharding.dataset.name, **sharding.identity, "counts": sharding.dataset.summary["counts"]}
    write_shard_index(parts, shards, about)
    for record in (*parts.glob(f"*{_DONE}"), parts / _PLAN):
        record.unlink()
    parts.rename(output)
    return shards


def _start_or_go_on(parts: Path, sharding: Sharding) -> None:
    plan = parts / _PLAN
    if not plan.is_file():
        if parts.exists() and (parts / INDEX).is_file():
            found = "finished shards that were not moved into place"
            raise ValueError(f"{parts}: {found}; rename the folder, or delete it to write them again")
        parts.mkdir(parents=True, exist_ok=True)
        write_json(plan, sharding.identity)
    elif (found := read_json(plan)) != sharding.identity:
        changed = [key for key, value in sharding.identity.items() if found.get(key) != value]
        raise ValueError(
            f"{parts}: unfinished shards of another {', '.join(changed)}; delete the folder to start afresh"
        )


def _shards_of_split(
    sharding: Sharding, split: str, parts: Path, read: "_Samples", num_threads: int
) -> Iterator[Shard]:
    rows, number, start = sharding.rows(split), 0, 0
    while (shard := _finished(parts / _name(split, number))) is not None:
        yield shard
        number, start = number + 1, start + shard.num_images
    samples = prefetch(read, rows[start:].tolist(), num_threads=num_threads, depth=4 * max(1, num_threads))
    waiting = next(samples, None)
    while waiting is not None:
        path = parts / _name(split, number)
        num_images = 0
        with replacing(path) as unfinished, tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as tar:
            while waiting is not None and (
                not num_images or tar.offset + _tar_bytes(waiting) + _END <= sharding.max_bytes
            ):
                for name, content in waiting:
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                num_images += 1
                waiting = next(samples, None)
        shard = Shard(path.name, num_images, path.stat().st_size, sha256_of_file(path))
        write_json(path.with_suffix(_DONE), asdict(shard))
        yield shard
        number += 1


def _name(split: str, number: int) -> str:
    return f"{split}-{number:06d}.tar"


def _finished(path: Path) -> Shard | None:
    record = path.with_suffix(_DONE)
    if not record.is_file() or not path.is_file():
        return None
    shard = Shard(**read_json(record))
    return shard if shard.num_bytes == path.stat().st_size else None


def _tar_bytes(sample: list[tuple[str, bytes]]) -> int:
    return sum(_BLOCK * (1 + -(-len(content) // _BLOCK)) for _, content in sample)


class _Samples:
    """Makes the members of an image's sample, (name, content) each, from its row."""

    def __init__(self, dataset: PreparedDataset) -> None:
        self._dataset = dataset
        self._files = dataset.source_files()
        self._digests = None if self._files is None else read_digests(dataset.directory / "manifest.csv")

    def __call__(self, row: int) -> list[tuple[str, bytes]]:
        key = f"{row:09d}"
        suffix, content = self._image(row)
        label = int(self._dataset.labels[row])
        members = [] if label < 0 else [(f"{key}.cls", b"%d" % label)]
        return [(f"{key}{suffix}", content), *members]

    def _image(self, row: int) -> tuple[str, bytes]:
        if self._files is None:
            return ".png", _png(self._dataset.image(row))
        (content,) = self._files.contents([row])
        path, expected = self._dataset.path(row), self._digests[row].tobytes()
        if sha256(content).digest() != expected:
            raise ValueError(f"{path}: has changed since it was prepared; prepare the data again")
        return _suffix(path, content), content


def _suffix(path: str, content: bytes) -> str:
    """The file's own suffix if it is one of an image format; else the suffix of the format found."""
    if is_image_name(path):
        return PurePosixPath(path).suffix.lower()
    with Image.open(io.BytesIO(content)) as image:
        return f".{image.format.lower()}"


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
