import ctypes
import mmap
import os
import time

import numpy as np

from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.read_ahead import read_ahead

CHANNELS = 1024  # a row is a page


def cached(array: np.memmap, row: int) -> bool:
    """Whether the page of a row is in the page cache."""
    answer = ctypes.c_ubyte(0)
    address = ctypes.c_void_p((array.ctypes.data + row * array.strides[0]) // mmap.PAGESIZE * mmap.PAGESIZE)
    assert ctypes.CDLL(None).mincore(address, ctypes.c_size_t(1), ctypes.byref(answer)) == 0
    return bool(answer.value & 1)


def test_rows_come_from_the_disk_before_they_are_read(tmp_path):
    np.save(tmp_path / "f.npy", np.zeros((4096, CHANNELS), np.float32))
    with open(tmp_path / "f.npy", "rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    array = np.load(tmp_path / "f.npy", mmap_mode="r")
    read_ahead(FeatureRows((array,), np.arange(100, 4096)), np.array([3900, 0]))
    end = time.monotonic() + 60
    while not (cached(array, 4000) and cached(array, 100)) and time.monotonic() < end:
        time.sleep(0.01)
    assert cached(array, 4000)
    assert cached(array, 100)


def test_what_is_in_memory_or_nothing_at_all_is_left_alone():
    values = np.ones((4, 3), np.float32)
    read_ahead(values, np.array([1]))
    read_ahead(FeatureRows((values,)), np.array([3, 0]))
    read_ahead(FeatureRows((values,)), np.array([], np.int64))
