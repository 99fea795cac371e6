import colorsys

import numpy as np
import pytest

from pipeline.transforms.photometric import Distortion, apply, distorted, drawn

# Every mixture of five levels: greys, full saturation and all ties between channels are among them.
LEVELS = np.array([0, 60, 128, 200, 255], np.uint8)
COLOURS = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS), axis=-1).reshape(5, 25, 3)


def through_hsv(image, saturation=1.0, turn=0.0):
    """The standard library's HSV, pixel by pixel, in float64."""
    found = np.empty(image.shape)
    for place in np.ndindex(image.shape[:2]):
        hue, saturated, value = colorsys.rgb_to_hsv(*(image[place] / 255))
        found[place] = colorsys.hsv_to_rgb((hue + turn) % 1, min(saturated * saturation, 1), value)
    return found * 255


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.2, 1.5])
def test_saturation_is_that_of_hsv(factor):
    found = apply(Distortion(saturation=factor), COLOURS)
    assert np.abs(found - through_hsv(COLOURS, saturation=factor)).max() <= 0.501


@pytest.mark.parametrize("degrees", [-36, -7.5, 11, 36])
def test_hue_is_that_of_hsv(degrees):
    found = apply(Distortion(hue_degrees=degrees), COLOURS)
    assert np.abs(found - through_hsv(COLOURS, turn=degrees / 360)).max() <= 0.501


def test_brightness_and_contrast_are_cut_off_at_black_and_white():
    brighter = apply(Distortion(brightness=31.6), COLOURS)
    np.testing.assert_array_equal(brighter, np.rint(np.clip(COLOURS + 31.6, 0, 255)))
    darker = apply(Distortion(brightness=-20.0), COLOURS)
    np.testing.assert_array_equal(darker, np.clip(COLOURS.astype(int) - 20, 0, 255))
    stronger = apply(Distortion(contrast=1.3), COLOURS)
    np.testing.assert_array_equal(stronger, np.rint(np.minimum(COLOURS * 1.3, 255)))


def test_contrast_comes_before_saturation_or_last():
    # Channel 255 is cut off by a contrast that comes first; afterwards, saturation sees other shares.
    image = np.full((1, 1, 3), (200, 100, 50), np.uint8)
    first = apply(Distortion(contrast=1.5, contrast_first=True, saturation=0.5), image)
    last = apply(Distortion(contrast=1.5, contrast_first=False, saturation=0.5), image)
    np.testing.assert_array_equal(first, [[[255, 203, 165]]])  # 255, 150, 75, then halfway to 255
    np.testing.assert_array_equal(last, [[[255, 225, 188]]])  # 200, 150, 125, then times 1.5


def test_all_together_and_over_more_pixels_than_fit_at_once(rng):
    image = rng.integers(0, 256, (150, 131, 3)).astype(np.uint8)
    change = Distortion(brightness=12.5, contrast=0.8, contrast_first=False, saturation=1.4, hue_degrees=-20)
    expected = through_hsv(np.clip(image + 12.5, 0, 255), 1.4, -20 / 360) * 0.8
    assert np.abs(apply(change, image) - expected).max() <= 0.501


def test_nothing_changes_without_a_distortion():
    assert np.array_equal(apply(Distortion(contrast_first=False), COLOURS), COLOURS)
    barely = Distortion(brightness=1e-4, contrast=1 + 1e-6, saturation=1 + 1e-6, hue_degrees=1e-4)
    np.testing.assert_array_equal(apply(barely, COLOURS), COLOURS)


def test_each_change_has_chance_half_and_its_range():
    rng = np.random.default_rng(3)
    changes = [drawn(rng) for _ in range(2000)]
    neutral = Distortion()
    ranges = {
        "brightness": (-32, 32),
        "contrast": (0.5, 1.5),
        "saturation": (0.5, 1.5),
        "hue_degrees": (-36, 36),
    }
    for name, (low, high) in ranges.items():
        values = np.array([getattr(change, name) for change in changes])
        made = values[values != getattr(neutral, name)]
        assert len(made) / 2000 == pytest.approx(0.5, abs=0.04)
        span = high - low
        assert low <= made.min() < low + 0.02 * span
        assert high - 0.02 * span < made.max() <= high
        assert made.mean() == pytest.approx((low + high) / 2, abs=0.03 * span)
    assert np.mean([change.contrast_first for change in changes]) == pytest.approx(0.5, abs=0.04)


def test_the_same_generator_gives_the_same_image(rng):
    image = rng.integers(0, 256, (20, 31, 3)).astype(np.uint8)
    image.flags.writeable = False
    first, second = (distorted(np.random.default_rng(5), image) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == image.shape
    assert np.array_equal(first, second)
    # Views of an image, as a flip makes them, are distorted as their copies.
    mirrored = distorted(np.random.default_rng(5), image[:, ::-1])
    assert np.array_equal(mirrored[:, ::-1], first)
