import numpy as np
import pytest
from scipy.stats import t

from pipeline.measures.intervals.crossed import crossed_interval


def test_by_hand():
    # Means of the draws 3/4 and 1/4, of the images 1, 1/2, 1/2, 0; their variances 1/8 and 1/6, those of the
    # mean of each 1/16 and 1/24, together 5/48. Student's t of one degree of freedom cuts 1/8 off at each end
    # at tan(3/8 pi).
    outcomes = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], bool)
    half = np.tan(3 / 8 * np.pi) * np.sqrt(5 / 48)
    assert crossed_interval(outcomes, confidence=0.75) == pytest.approx((0.5 - half, 0.5 + half))


def test_draws_that_agree_leave_the_error_of_the_images():
    outcomes = np.tile(np.arange(200) < 50, (10, 1))
    low, high = crossed_interval(outcomes, confidence=0.95)
    error = np.sqrt(0.25 * 0.75 / 199)
    assert (low, high) == pytest.approx((0.25 - t.ppf(0.975, 9) * error, 0.25 + t.ppf(0.975, 9) * error))


def test_it_holds_the_true_mean_as_often_as_it_says(rng):
    """Draws and images that are good or bad for everybody; without either part it would be far too narrow."""
    held = 0
    for _ in range(400):
        draw, image = 0.3 * rng.standard_normal((5, 1)), rng.standard_normal((1, 60))
        outcomes = draw + image + rng.standard_normal((5, 60)) > 0
        low, high = crossed_interval(outcomes, confidence=0.9)
        held += low <= 0.5 <= high
    assert 0.88 <= held / 400 <= 0.99


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (4,)])
def test_one_draw_or_one_image_is_no_sample(shape):
    with pytest.raises(ValueError, match="two or more draws and images"):
        crossed_interval(np.ones(shape), confidence=0.95)
