"""Pages of memory-mapped files, which count as a process's memory once they have been read."""

import mmap

import numpy as np


def release_pages(array: np.ndarray) -> None:
    """Release the memory pages of the file that `array` is a view of; they are read again when needed.

    Written data is kept. An array that is no view of a file is left alone.
    """
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
