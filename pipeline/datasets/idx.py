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
from pipeline.datasets.expansion import refuse_expansion
from pipeline.datasets.wrappers import below_wrappers

_IMAGES_NAME = re.compile(
    r"(?!\.).*?(?P<split>train|t10k|test|valid|validation|val)[-_.]images[-_.]idx3[-_.]ubyte(?P<gz>\.gz)?",
    re.IGNORECASE,
)
_TYPES = {"u1": 8, ">i4": 12}  # the type bytes
_READ_BYTES = 2**24


def image_files(folder: Path) -> dict[str, Path]:
    """{split: path} of the IDX image files in `folder`.

    Raises:
        ValueError: two files for one split (several data sets in one folder).
    """
    found: dict[str, Path] = {}
    with os.scandir(folder) as listing:
        matches = [match for entry in listing if (match := _IMAGES_NAME.fullmatch(entry.name))]
    names = {match.string for match in matches}
    for match in sorted(matches, key=lambda match: match.string):
        if match["gz"] and match.string.removesuffix(match["gz"]) in names:
            continue  # torchvision keeps the compressed file beside the unpacked one
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

    An unpacked file is preferred to its archive. Of QMNIST's label columns the first, the digit, is read.

    Raises:
        ValueError: no such files, a wrong magic number, sizes that disagree, or damaged gzip data.
    """
    folder = below_wrappers(folder)
    files = image_files(folder)
    if not files:
        raise ValueError(f"{folder}: expected files such as train-images-idx3-ubyte.gz, found none")
    parts = []
    for split, path in files.items():
        images = read_idx(path, num_dimensions=3)
        labels = None
        if labels_path := _beside(path, "idx1-ubyte"):
            labels = read_idx(labels_path, num_dimensions=1).astype(np.int64)
        elif labels_path := _beside(path, "idx2-int"):
            labels = read_idx(labels_path, num_dimensions=2, dtype=">i4")[:, 0].astype(np.int64)
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"{labels_path}: expected {len(images)} labels, found {len(labels)}")
        parts.append(ArrayPart(split, images, labels, str(path)))
    return ArraySource(parts)


def read_idx(path: Path, *, num_dimensions: int, dtype: str = "u1") -> np.ndarray:
    """One IDX file of unsigned bytes, or of 32-bit integers (">i4").

    Raises:
        ValueError: wrong magic number or dimensions, fewer or more bytes than stated, damaged gzip data.
    """
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as stream:
            header = stream.read(4 + 4 * num_dimensions)
            magic = bytes([0, 0, _TYPES[dtype], num_dimensions])
            if header[:4] != magic:
                kind = "bytes" if dtype == "u1" else "integers"
                raise ValueError(
                    f"{path}: expected the IDX magic number 0x{magic.hex()} "
                    f"({kind}, {num_dimensions} dimensions), found 0x{header[:4].hex()}"
                )
            if len(header) < 4 + 4 * num_dimensions:
                raise ValueError(
                    f"{path}: expected {4 + 4 * num_dimensions} bytes of header, found {len(header)}"
                )
            shape = struct.unpack(f">{num_dimensions}I", header[4:])
            width = np.dtype(dtype).itemsize
            expected = int(np.prod([int(n) for n in shape], dtype=object))
            if path.name.lower().endswith(".gz"):
                refuse_expansion(path, expected * width, path.stat().st_size)
            values = _read_up_to(stream, expected * width + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged gzip file: {error}") from error
    if len(values) != expected * width:
        found = f"more than {expected}" if len(values) > expected * width else str(len(values) // width)
        raise ValueError(f"{path}: expected {expected} values for shape {shape}, found {found}")
    return np.frombuffer(values, dtype).reshape(shape)


def _read_up_to(stream, limit: int) -> bytearray:
    """At most `limit` bytes, without allocating what the header claims."""
    values = bytearray()
    while len(values) < limit:
        block = stream.read(min(_READ_BYTES, limit - len(values)))
        if not block:
            break
        values += block
    return values


def _beside(images: Path, kind: str) -> Path | None:
    """The file of labels, "idx1-ubyte" or "idx2-int", whose name matches a file of images."""
    stem = re.sub(r"\.gz$", "", images.name, flags=re.IGNORECASE)
    name = re.sub("images", "labels", stem, flags=re.IGNORECASE)
    rank, word = kind.split("-")
    for part, new in (("idx3", rank), ("ubyte", word)):
        name = re.sub(part, new, name, flags=re.IGNORECASE)
    return next((p for p in (images.with_name(name), images.with_name(f"{name}.gz")) if p.is_file()), None)
