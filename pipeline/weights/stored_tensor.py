"""A tensor in a file, whose numbers are read on demand."""

import math
import mmap
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.weights.error import WeightsError
from pipeline.weights.number_formats import bytes_of_one, decoded

_MAX_DIMS = 32  # NumPy 1's


@dataclass(frozen=True)
class Storage:
    """A byte range of a mapped file, which tensors are views of."""

    path: Path
    mapped: mmap.mmap
    start: int  # bytes
    num_bytes: int
    crc: int | None = None  # CRC-32 stated by the file

    @cached_property
    def stored(self) -> np.ndarray:
        """The mapped bytes, (n,) uint8; the checksum is verified once, also if tensors share the storage.

        Raises:
            WeightsError: the checksum does not match.
        """
        view = np.frombuffer(self.mapped, np.uint8, self.num_bytes, self.start)
        if self.crc is not None and (found := zlib.crc32(view)) != self.crc:
            raise WeightsError(
                f"{self.path}: damaged: checksum {found:#010x} of a tensor's bytes, expected {self.crc:#010x}"
            )
        return view


@dataclass(frozen=True)
class StoredTensor:
    """A tensor within a storage; made by `checked_tensor`."""

    storage: Storage
    number_format: str  # "float32", "bfloat16", ...
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers
    offset: int  # in numbers

    def array(self) -> np.ndarray:
        """The tensor as a contiguous array; float32 for formats that NumPy lacks.

        Raises:
            WeightsError: the file is damaged.
        """
        size = bytes_of_one(self.number_format)
        stored = self.storage.stored
        numbers = decoded(stored[: len(stored) // size * size], self.number_format)[self.offset :]
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides, writeable=False).copy()

    def without_numbers(self) -> "StoredTensor":
        """A tensor of the same shape whose numbers are 0 and not read."""
        return _Zeros(self.storage, self.number_format, self.shape, self.strides, self.offset)


class _Zeros(StoredTensor):
    """A tensor of which only the shape is needed."""

    def array(self) -> np.ndarray:
        return np.broadcast_to(np.float32(0), self.shape)


def checked_tensor(
    storage: Storage, number_format: str, shape: object, strides: object, offset: object
) -> StoredTensor:
    """A tensor, checked to lie within its storage.

    Args:
        shape, strides, offset: as stated by the file, so untrusted.

    Raises:
        WeightsError: they are invalid, or the tensor would be larger than its storage or reach beyond it.
    """
    size = bytes_of_one(number_format)
    if size is None:
        raise WeightsError(f"{storage.path}: holds numbers of the unknown format {number_format!r}")
    if not (_sizes(shape) and _sizes(strides) and len(shape) == len(strides) and _sizes((offset,))):
        raise WeightsError(f"{storage.path}: damaged: a tensor without a valid shape")
    available = storage.num_bytes // size
    num = math.prod(shape)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if num > available or (num and last >= available) or offset > available:
        raise WeightsError(
            f"{storage.path}: a tensor of shape {tuple(shape)} does not lie within its {available} numbers"
        )
    return StoredTensor(storage, number_format, tuple(shape), tuple(strides), offset)


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a row-major array of this shape."""
    return tuple(math.prod(shape[dim + 1 :]) for dim in range(len(shape)))


def _sizes(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) <= _MAX_DIMS
        and all(type(number) is int and 0 <= number < 2**62 for number in value)
    )
