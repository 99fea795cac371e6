import numpy as np
import pytest

from pipeline.transforms.random_erasing import erase


def erased(seed, num_images, side, probability):
    """Images of a value that noise does not hit, and which pixels changed."""
    images = np.full((num_images, 3, side, side), 77, np.float32)
    erase(np.random.default_rng(seed), images, probability)
    return images, images[:, 0] != 77


def test_a_box_of_2_to_33_percent_in_a_quarter_of_the_images():
    images, changed = erased(0, 4000, 40, 0.25)
    np.testing.assert_array_equal(changed, images[:, 1] != 77)
    hit = changed.any(axis=(1, 2))
    assert hit.mean() == pytest.approx(0.25, abs=0.02)
    heights, widths = changed[hit].any(axis=2).sum(axis=1), changed[hit].any(axis=1).sum(axis=1)
    # All of the box, and nothing but the box.
    np.testing.assert_array_equal(changed[hit].sum(axis=(1, 2)), heights * widths)
    areas = heights * widths / 1600
    assert 0.015 < areas.min() < 0.03
    assert 0.3 < areas.max() < 0.36
    assert areas.mean() == pytest.approx((0.02 + 1 / 3) / 2, abs=0.01)
    log_aspects = np.log(heights / widths)
    assert np.abs(log_aspects).max() < np.log(1 / 0.3) + 0.25  # whole pixels
    assert log_aspects.mean() == pytest.approx(0, abs=0.06)


def test_noise_is_standard_normal_for_each_pixel_and_channel():
    images, changed = erased(1, 600, 40, 1.0)
    noise = images.transpose(0, 2, 3, 1)[changed]
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(0, abs=0.01)


def test_every_place_is_reached():
    _, changed = erased(2, 3000, 16, 1.0)
    shares = changed.mean(axis=0)
    assert shares.min() > 0.01
    np.testing.assert_allclose(shares, shares[::-1], atol=0.05)


def test_the_same_generator_erases_the_same():
    np.testing.assert_array_equal(erased(3, 20, 16, 0.5)[0], erased(3, 20, 16, 0.5)[0])


def test_probability_zero_changes_nothing():
    assert not erased(4, 20, 16, 0.0)[1].any()
