import numpy as np
import pytest

from pipeline.storage import mapped_rows
from pipeline.storage.mapped_rows import read_rows


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_of_views_are_those_that_indexing_gives(rng, tmp_path, monkeypatch, dtype):
    values = rng.normal(size=(50, 3, 8)).astype(dtype)
    np.save(tmp_path / "f.npy", values)
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    views = {
        "last": (mapped[:, -1], values[:, -1]),
        "first": (mapped[:, 0], values[:, 0]),
        "all": (mapped.reshape(50, 24), values.reshape(50, 24)),
        "two": (mapped.reshape(50, 24)[:, -16:], values.reshape(50, 24)[:, -16:]),
        "later": (mapped[10:, 1], values[10:, 1]),
    }
    for most in (2**23, 200):  # whole stretches, and a row or two at once
        monkeypatch.setattr(mapped_rows, "_MOST_AT_ONCE", most)
        for name, (view, expected) in views.items():
            for rows in (np.array([3, 4, 5, 9, 2, 39, 39]), slice(None), slice(5, 30), slice(2, 20, 3)):
                found = read_rows(view, rows)
                assert found.dtype == np.float32
                assert np.array_equal(found, expected[rows].astype(np.float32)), name
    assert read_rows(mapped[:, 0], np.array([], np.int64)).shape == (0, 8)
    assert np.array_equal(read_rows(values[:, 1], np.array([7])), values[[7], 1].astype(np.float32))


def test_rows_that_are_not_there_are_refused(tmp_path):
    np.save(tmp_path / "f.npy", np.zeros((50, 8), np.float32))
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    with pytest.raises(IndexError, match=r"f\.npy: rows 4\.\.50 of 50"):
        read_rows(mapped, np.array([4, 50]))
    with open(tmp_path / "f.npy", "r+b") as stream:
        stream.truncate(800)
    with pytest.raises(ValueError, match=r"f\.npy: ends in row 30; the file was cut"):
        read_rows(mapped, np.array([30]))
