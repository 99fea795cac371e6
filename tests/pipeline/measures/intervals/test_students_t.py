import pytest
from scipy import stats

from pipeline.measures.intervals.students_t import half_width


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_is_scipys(confidence):
    low, high = stats.t.interval(confidence, 2, loc=0.5, scale=0.03 / 3**0.5)
    assert half_width(0.03, 3, confidence=confidence) == pytest.approx((high - low) / 2)
