"""Reads rows of a memory-mapped array without mapping them: a page counts as memory, and may take 2 MiB."""

import os
from collections.abc import Iterator

import numpy as np

_MOST_AT_ONCE = 2**23  # bytes of one read


def read_rows(array: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """Rows of a (N, D) array as float32, (n, D).

    Rows of a memory-mapped file are read from the file, consecutive ones in one read.

    Args:
        array: float32 or float16; the channels of a row are contiguous.
        rows: (n,) int64 from 0, or a slice.

    Raises:
        IndexError: a row is out of range.
        ValueError: the file was truncated.
    """
    if not isinstance(array, np.memmap):
        return np.asarray(array[rows], np.float32)
    if isinstance(rows, slice):
        rows = np.arange(*rows.indices(len(array)))
    elif len(rows) and not 0 <= rows.min() <= rows.max() < len(array):
        raise IndexError(f"{array.filename}: rows {rows.min()}..{rows.max()} of {len(array)}")
    found = np.empty((len(rows), array.shape[1]), np.float32)
    stride, row_bytes = array.strides[0], array.shape[1] * array.itemsize
    start = _first_byte(array)
    with open(array.filename, "rb", buffering=0) as stream:
        for begin, end in _consecutive(rows, max(1, _MOST_AT_ONCE // stride)):
            size = (end - begin - 1) * stride + row_bytes
            data = os.pread(stream.fileno(), size, start + int(rows[begin]) * stride)
            if len(data) != size:
                raise ValueError(f"{array.filename}: ends in row {rows[end - 1]}; the file was cut")
            strides = (stride, array.itemsize)
            found[begin:end] = np.ndarray((end - begin, array.shape[1]), array.dtype, data, 0, strides)
    return found


def _first_byte(array: np.memmap) -> int:
    """Offset in the file, in bytes, of a view's first element."""
    whole = array
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    return whole.offset + array.ctypes.data - whole.ctypes.data


def _consecutive(rows: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """(start, end) of runs of consecutive rows, at most `most` long."""
    begin = 0
    for end in [*(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]:
        for first in range(begin, end, most):
            yield first, min(first + most, end)
        begin = end
