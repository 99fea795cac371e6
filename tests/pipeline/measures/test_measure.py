import json

import numpy as np
import pytest

from pipeline.measures.measure import Measure, TestImages, write_measures

IMAGES = TestImages("mosaics", "test", 40)


def measure(value, replicates=None, metric="miou"):
    return Measure("segment", metric, value, "as is", IMAGES, replicates)


def written(folder):
    with np.load(folder / "replicates.npz", allow_pickle=False) as arrays:
        return json.loads((folder / "rows.json").read_text()), dict(arrays)


def test_rows_and_replicates(tmp_path):
    replicates = np.linspace(0, 1, 1001)
    write_measures(tmp_path, [measure(0.5, replicates), measure(0.25, metric="aacc")])
    rows, arrays = written(tmp_path)
    found = [(row["metric"], row["value"], row["num_images"]) for row in rows]
    assert found == [("miou", 0.5, 40), ("aacc", 0.25, 40)]
    assert list(arrays) == ["segment miou"]
    assert np.array_equal(arrays["segment miou"], replicates)


def test_a_measure_of_nothing_gets_no_row(tmp_path):
    write_measures(tmp_path, [measure(float("nan"), np.full(10, np.nan))])
    assert written(tmp_path) == ([], {})


def test_what_is_no_fraction_is_refused(tmp_path):
    with pytest.raises(ValueError, match="segment miou: expected a fraction, found inf"):
        write_measures(tmp_path, [measure(float("inf"))])
    with pytest.raises(ValueError, match="found 4 of 10"):
        write_measures(tmp_path, [measure(0.5, np.array([0.5] * 4 + [np.nan] * 6))])
    assert not (tmp_path / "rows.json").exists()
