import numpy as np

from pipeline.datasets.channels.limits import percentile_limits
from pipeline.datasets.channels.pictures import Stretch, picture_words, shown_channels


def test_three_channels_or_one_in_grey():
    assert shown_channels(5, None) == (0, 1, 2)
    assert shown_channels(5, (3, 2, 1)) == (3, 2, 1)
    assert shown_channels(2, None) == shown_channels(1, None) == (0,)
    assert "channels 3, 2, 1 as red, green and blue" in picture_words((3, 2, 1))
    assert "channel 0 in grey" in picture_words((0,))


def test_percentiles_of_the_set_become_black_and_white():
    ramp = np.linspace(1000, 2000, 10_001, dtype=np.float32).reshape(1, -1, 1)
    images = [np.concatenate([ramp, 3 * ramp, np.full_like(ramp, 5)], axis=2)]
    stretch = Stretch.of((1, 0, 2), images)
    assert np.allclose(stretch.low, [3030, 1010, 5], atol=1)
    assert np.allclose(stretch.high, [5970, 1990, 5], atol=1)
    seen = stretch.picture(np.array([[[1010, 3030, 5], [1990, 5970, 5], [1500, 0, 9]]], np.float32))
    assert seen.dtype == np.uint8
    assert seen.shape == (1, 3, 3)
    assert abs(seen[0].astype(int) - [[0, 0, 0], [255, 255, 0], [0, 128, 255]]).max() <= 1
    grey = Stretch.of((0,), images).picture(images[0])
    assert grey.shape == (1, 10_001, 3)
    assert (grey[..., 0] == grey[..., 2]).all()


def test_a_few_outliers_do_not_decide():
    values = np.random.default_rng(0).normal(0, 1, (100, 100, 1)).astype(np.float32)
    values[0, 0] = 1e9
    low, high = percentile_limits([values], (0.1, 99.9))
    assert -4 < low[0] < -2
    assert 2 < high[0] < 4
