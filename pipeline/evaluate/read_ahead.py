"""Asks the system to read rows of features from the disk before they are needed."""

import ctypes
import mmap

import numpy as np

from pipeline.evaluate.feature_rows import FeatureRows

_C = ctypes.CDLL(None)
_C.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def read_ahead(features: np.ndarray | FeatureRows, rows: np.ndarray) -> None:
    """Start reading rows that will be read soon, and return at once; what is read stays in the page cache.

    Rows in random order are a read each: one after the other, each would wait for the disk. Does nothing for
    features in memory.

    Args:
        rows: (n,) int64, in range.
    """
    if not isinstance(features, FeatureRows):
        return
    chosen = rows if features.rows is None else features.rows[rows]
    for part in features.parts:
        if isinstance(part, np.memmap):
            _expect(part, chosen)


def _expect(array: np.memmap, rows: np.ndarray) -> None:
    row_bytes = array.shape[1] * array.itemsize
    begins = array.ctypes.data + rows * array.strides[0]
    pages = begins - begins % mmap.PAGESIZE
    for page, size in zip(pages.tolist(), (begins + row_bytes - pages).tolist(), strict=True):
        _C.madvise(page, size, mmap.MADV_WILLNEED)  # advice: what cannot be followed changes nothing
