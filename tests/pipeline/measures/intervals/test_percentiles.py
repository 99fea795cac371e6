import numpy as np
import pytest

from pipeline.measures.intervals.percentiles import percentile_interval


def test_as_much_is_cut_off_at_each_end():
    values = np.arange(101.0)[::-1]  # 0..100, in any order
    assert percentile_interval(values, 0.9) == pytest.approx((5, 95))
    assert percentile_interval(values, 0.5) == pytest.approx((25, 75))


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 95])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        percentile_interval(np.ones(3), confidence)


def test_nothing_has_no_interval():
    with pytest.raises(ValueError, match="at least one value"):
        percentile_interval(np.empty(0), 0.95)
