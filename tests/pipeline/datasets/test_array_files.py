import time

import numpy as np
import pytest

from pipeline.datasets.array_files import read_arrays, write_arrays


def test_arrays_come_back(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b": np.zeros((0, 4), np.float32)}
    write_arrays(tmp_path / "x.npz", **arrays)
    found = read_arrays(tmp_path / "x.npz")
    assert list(found) == ["a", "b"]
    for name, values in arrays.items():
        assert found[name].dtype == values.dtype
        assert np.array_equal(found[name], values)


def test_the_time_of_day_is_not_in_the_file(tmp_path, monkeypatch):
    write_arrays(tmp_path / "1.npz", a=np.arange(3))
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2e9))
    write_arrays(tmp_path / "2.npz", a=np.arange(3))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_python_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        write_arrays(tmp_path / "x.npz", a=np.array([{}], object))
    assert not list(tmp_path.iterdir())
