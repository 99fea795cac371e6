"""Pages of memory-mapped files, which count as a process's memory once they were looked at."""

import mmap

import numpy as np


def release_pages(array: np.ndarray) -> None:
    """Let go of the pages of the file that `array` is a view of; they are read again where needed.

    What was written stays written. An array that is no view of a file is left alone.
    """
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
