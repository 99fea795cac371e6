"""Operations against Pillow or by hand, their severity, and how often each is drawn."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from pipeline.config.finetune import ClassificationViewConfig
from pipeline.transforms.rand_augment import (
    OPERATIONS,
    draw_operations,
    posterized,
    rand_augment,
    solarize_added,
    solarized,
)

CONFIG = ClassificationViewConfig()
FILL = (10, 130, 250)
BICUBIC = Image.Resampling.BICUBIC


def pictures(rng):
    """Noise; few levels; a dark ramp; one colour."""
    ramp = np.broadcast_to(np.arange(20, 120, 4, dtype=np.uint8)[:, None, None], (25, 31, 3))
    return [
        rng.integers(0, 256, (32, 32, 3)).astype(np.uint8),
        rng.choice(np.array([3, 90, 200], np.uint8), (17, 40, 3)),
        ramp,
        np.full((9, 9, 3), (0, 77, 255), np.uint8),
    ]


def affine(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=BICUBIC, fillcolor=FILL)


# Severity 0.85 and 0.9: to Pillow's own arguments.
PILLOW = {
    "auto_contrast": lambda image, s, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, s, sign: ImageOps.equalize(image),
    "invert": lambda image, s, sign: ImageOps.invert(image),
    "rotate": lambda image, s, sign: image.rotate(30 * s * sign, resample=BICUBIC, fillcolor=FILL),
    "posterize": lambda image, s, sign: ImageOps.posterize(image, 1),
    "solarize": lambda image, s, sign: ImageOps.solarize(image, 256 - int(256 * s)),
    "solarize_add": lambda image, s, sign: image.point(
        [min(255, level + int(110 * s)) if level < 128 else level for level in range(256)] * 3
    ),
    "colour": lambda image, s, sign: ImageEnhance.Color(image).enhance(1 + 0.9 * s * sign),
    "contrast": lambda image, s, sign: ImageEnhance.Contrast(image).enhance(1 + 0.9 * s * sign),
    "brightness": lambda image, s, sign: ImageEnhance.Brightness(image).enhance(1 + 0.9 * s * sign),
    "sharpness": lambda image, s, sign: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * s * sign),
    "shear_x": lambda image, s, sign: affine(image, 1, 0.3 * s * sign, 0, 0, 1, 0),
    "shear_y": lambda image, s, sign: affine(image, 1, 0, 0, 0.3 * s * sign, 1, 0),
    "translate_x": lambda image, s, sign: affine(image, 1, 0, 0.45 * s * sign * image.width, 0, 1, 0),
    "translate_y": lambda image, s, sign: affine(image, 1, 0, 0, 0, 1, 0.45 * s * sign * image.height),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("severity", "sign"), [(0.9, 1), (0.85, -1)])
def test_operations_are_pillows(rng, name, severity, sign):
    assert PILLOW.keys() == OPERATIONS.keys()
    for picture in pictures(rng):
        expected = PILLOW[name](Image.fromarray(picture), severity, sign)
        before = picture.copy()
        found = OPERATIONS[name](picture, severity, sign, FILL)
        np.testing.assert_array_equal(found, np.asarray(expected))
        np.testing.assert_array_equal(picture, before)


def test_severity_rises():
    """By hand: bits kept, the threshold, what is added; and pixels move further."""
    levels = np.array([0, 15, 100, 127, 128, 255])
    assert posterized(0.0)[levels].tolist() == [0, 0, 96, 112, 128, 240]
    assert posterized(0.9)[levels].tolist() == [0, 0, 0, 0, 128, 128]
    assert posterized(1.0)[levels].tolist() == [0] * 6
    assert solarized(0.0)[levels].tolist() == levels.tolist()
    assert solarized(0.5)[levels].tolist() == [0, 15, 100, 127, 127, 0]
    assert solarized(1.0)[levels].tolist() == (255 - levels).tolist()
    assert solarize_added(0.0)[levels].tolist() == levels.tolist()
    assert solarize_added(1.0)[levels].tolist() == [110, 125, 210, 237, 128, 255]
    for table in (posterized, solarized, solarize_added):
        changes = [np.abs(table(s) - np.arange(256)).sum() for s in np.linspace(0, 1, 11)]
        assert changes == sorted(changes)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "translate_y", "colour", "contrast", "brightness"])
def test_a_higher_severity_changes_a_picture_more(rng, name):
    # A smooth picture: on noise every displacement is equally far.
    y, x = np.mgrid[:64, :64] / 64
    picture = np.stack([200 * x + 20, 90 * y + 60, 100 * x * y + 60], axis=2).astype(np.uint8)
    for sign in (-1, 1):
        changes = []
        for severity in (0.0, 0.3, 0.6, 0.9):
            changed = OPERATIONS[name](picture, severity, sign, (120, 105, 85)).astype(int)
            changes.append(np.abs(changed - picture)[8:-8, 8:-8].mean())
        assert changes[0] <= 0.01
        assert changes == sorted(changes)
        assert changes[-1] > changes[1]


def test_what_is_drawn_is_spread_as_asked(rng):
    drawn = draw_operations(rng, 30_000, CONFIG)
    _, counts = np.unique(drawn.kinds, return_counts=True)
    assert len(counts) == len(OPERATIONS) == 15
    assert np.abs(counts / 4000 - 1).max() < 0.08
    # With replacement: the second is the first one in a fifteenth of the images.
    assert (drawn.kinds[:, 0] == drawn.kinds[:, 1]).mean() == pytest.approx(1 / 15, abs=0.005)
    assert drawn.applied.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.signs.mean() == pytest.approx(0, abs=0.02)
    assert set(np.unique(drawn.signs)) == {-1, 1}
    # Normal around 0.9 with spread 0.05, cut at 1: half of it lies above 0.9, 2.3 % at 1.
    assert np.median(drawn.severities) == pytest.approx(0.9, abs=0.002)
    assert (drawn.severities == 1).mean() == pytest.approx(0.0228, abs=0.003)
    assert drawn.severities[drawn.severities < 0.9].min() > 0.65


def test_images_are_augmented_one_by_one(rng):
    images = rng.integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
    before = images.copy()
    mean = np.array(FILL) / 255
    found = rand_augment(np.random.default_rng(5), images, CONFIG, mean=mean)
    np.testing.assert_array_equal(images, before)
    drawn = draw_operations(np.random.default_rng(5), 60, CONFIG)
    names = list(OPERATIONS)
    for i, picture in enumerate(images):
        expected = Image.fromarray(picture)
        for place in np.flatnonzero(drawn.applied[i]):
            severity, sign = drawn.severities[i, place], int(drawn.signs[i, place])
            if names[drawn.kinds[i, place]] == "posterize":
                expected = ImageOps.posterize(expected, 4 - int(4 * severity))
            else:
                expected = PILLOW[names[drawn.kinds[i, place]]](expected, severity, sign)
        np.testing.assert_array_equal(found[i], np.asarray(expected))


def test_no_operations_leave_images_as_they_are(rng):
    images = rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    config = ClassificationViewConfig(num_operations=0)
    np.testing.assert_array_equal(rand_augment(rng, images, config, mean=np.zeros(3)), images)
