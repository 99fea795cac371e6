"""IDX files, the format of the MNIST family, gzipped or not.

Source: http://yann.lecun.com/exdb/mnist/ : two zero bytes, a type byte (8 = unsigned byte), the number of
dimensions, one big-endian uint32 per dimension, then the values.
"""

import gzip
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from pipeline.datasets.arrays import ArrayPart, ArraySource

_IMAGES_NAME = re.compile(
    r"(?!\.).*?(?P<split>train|t10k|test|valid|validation|val)[-_.]images[-_.]idx3[-_.]ubyte(?P<gz>\.gz)?",
    re.IGNORECASE,
)
_WIDE_LABELS_NAME = re.compile(
    r".*?(?P<split>train|test|valid|validation|val)[-_.]labels[-_.]idx2[-_.]int(\.gz)?", re.IGNORECASE
)
_READ_BYTES = 2**24


def image_files(folder: Path) -> dict[str, Path]:
    """{split: path} of the IDX image files in `folder`.

    Raises:
        ValueError: two files for one split (several data sets in one folder).
    """
    found: dict[str, Path] = {}
    with os.scandir(folder) as listing:
        matches = [match for entry in listing if (match := _IMAGES_NAME.fullmatch(entry.name))]
    for match in sorted(matches, key=lambda match: match.string):
        path = folder / match.string
        split = "test" if match["split"].lower() == "t10k" else match["split"].lower()
        if split in found:
            raise ValueError(
                f"{folder}: expected one file of {split} images, found {found[split].name}, {path.name}"
            )
        found[split] = path
    return found


def read_idx_folder(folder: Path) -> ArraySource:
    """Read `{train,t10k}-images-idx3-ubyte[.gz]` with the labels beside them; without labels: unlabelled.

    Raises:
        ValueError: no such files, a wrong magic number, sizes that disagree, or damaged gzip data.
    """
    files = image_files(folder)
    if not files:
        raise ValueError(f"{folder}: expected files such as train-images-idx3-ubyte.gz, found none")
    parts, notes = [], []
    for split, path in files.items():
        images = read_idx(path, num_dimensions=3)
        labels_path = _labels_beside(path)
        labels = None
        if labels_path is not None:
            labels = read_idx(labels_path, num_dimensions=1).astype(np.int64)
            if len(labels) != len(images):
                raise ValueError(f"{labels_path}: expected {len(images)} labels, found {len(labels)}")
        elif unread := [file.name for file in folder.iterdir() if _is_wide_labels_of(file.name, split)]:
            notes.append(
                f"caution: labels that lie there are not read: {sorted(unread)[0]} (QMNIST's of several "
                "columns; its first column, saved as idx1-ubyte, would be)"
            )
        parts.append(ArrayPart(split, images, labels, str(path)))
    return ArraySource(parts, notes=tuple(notes))


def read_idx(path: Path, *, num_dimensions: int) -> np.ndarray:
    """One IDX file of unsigned bytes.

    Raises:
        ValueError: wrong magic number or dimensions, fewer or more bytes than announced, damaged gzip data.
    """
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as stream:
            header = stream.read(4 + 4 * num_dimensions)
            if header[:4] != bytes([0, 0, 8, num_dimensions]):
                raise ValueError(
                    f"{path}: expected the IDX magic number 0x0000080{num_dimensions} "
                    f"(bytes, {num_dimensions} dimensions), found 0x{header[:4].hex()}"
                )
            if len(header) < 4 + 4 * num_dimensions:
                raise ValueError(
                    f"{path}: expected {4 + 4 * num_dimensions} bytes of header, found {len(header)}"
                )
            shape = struct.unpack(f">{num_dimensions}I", header[4:])
            expected = int(np.prod([int(n) for n in shape], dtype=object))
            values = _read_up_to(stream, expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged gzip file: {error}") from error
    if len(values) != expected:
        found = f"more than {expected}" if len(values) > expected else str(len(values))
        raise ValueError(f"{path}: expected {expected} values for shape {shape}, found {found}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _is_wide_labels_of(name: str, split: str) -> bool:
    match = _WIDE_LABELS_NAME.fullmatch(name)
    return bool(match) and match["split"].lower() == split


def _read_up_to(stream, limit: int) -> bytearray:
    """At most `limit` bytes, without trusting the header to allocate them."""
    values = bytearray()
    while len(values) < limit:
        block = stream.read(min(_READ_BYTES, limit - len(values)))
        if not block:
            break
        values += block
    return values


def _labels_beside(images: Path) -> Path | None:
    stem = images.name[: -len(".gz")] if images.name.lower().endswith(".gz") else images.name
    name = re.sub("idx3", "idx1", re.sub("images", "labels", stem, flags=re.IGNORECASE), flags=re.IGNORECASE)
    return next((p for p in (images.with_name(name), images.with_name(f"{name}.gz")) if p.is_file()), None)
