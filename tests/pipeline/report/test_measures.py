import json

import numpy as np
import pytest

from pipeline.report.measures import Measure, TestImages, resample_counts, write_measures

IMAGES = TestImages("mosaics", "test", 40)


def measure(value, replicates=None, metric="miou"):
    return Measure("segment", metric, value, "as is", IMAGES, replicates)


def written(folder):
    with np.load(folder / "replicates.npz", allow_pickle=False) as arrays:
        return json.loads((folder / "rows.json").read_text()), dict(arrays)


def test_every_resample_draws_as_many_images_and_arms_share_them():
    counts = resample_counts(40, 200)
    assert counts.shape == (200, 40)
    assert (counts.sum(axis=1) == 40).all()
    assert np.array_equal(counts, resample_counts(40, 200))
    # An image is drawn Binomial(40, 1/40) times: mean 1, variance 0.975.
    assert counts.mean() == 1
    assert counts.var() == pytest.approx(0.975, abs=0.03)
    with pytest.raises(ValueError, match="no images"):
        resample_counts(0, 10)


def test_rows_carry_the_percentile_interval(tmp_path):
    replicates = np.linspace(0, 1, 1001)
    write_measures(tmp_path, [measure(0.5, replicates), measure(0.25, metric="aacc")])
    rows, arrays = written(tmp_path)
    assert [row["metric"] for row in rows] == ["miou", "aacc"]
    assert (rows[0]["ci_low"], rows[0]["ci_high"]) == pytest.approx((0.025, 0.975))
    assert rows[0]["num_images"] == 40
    assert rows[1]["ci_low"] is None
    assert list(arrays) == ["segment miou"]


def test_a_measure_of_nothing_gets_no_row(tmp_path):
    write_measures(tmp_path, [measure(float("nan"), np.full(10, np.nan))])
    assert written(tmp_path) == ([], {})


def test_what_is_no_fraction_is_refused(tmp_path):
    with pytest.raises(ValueError, match="segment miou: expected a fraction, found inf"):
        write_measures(tmp_path, [measure(float("inf"))])
    with pytest.raises(ValueError, match="found 4 of 10"):
        write_measures(tmp_path, [measure(0.5, np.array([0.5] * 4 + [np.nan] * 6))])
    assert not (tmp_path / "rows.json").exists()
