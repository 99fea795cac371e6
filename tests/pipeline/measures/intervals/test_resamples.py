import numpy as np
import pytest

from pipeline.measures.intervals.resamples import resample_counts


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
