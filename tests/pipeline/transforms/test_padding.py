import numpy as np
import pytest

from pipeline.transforms.padding import padded_images, padded_label_maps

MEAN, STD = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.25, 0.3], np.float32)


def pictures(rng, *sizes):
    return [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes]


def test_padding_is_zero_after_normalisation(rng):
    """T4: what is right of and below an image is 0, its mean colour, not a normalised black."""
    images = pictures(rng, (20, 31), (33, 18))
    batch = padded_images(images, mean=MEAN, std=STD, multiple=16)
    assert batch.shape == (2, 3, 48, 32)
    assert batch.dtype == np.float32
    for image, padded in zip(images, batch, strict=True):
        height, width = image.shape[:2]
        expected = (image.astype(np.float64) / 255 - MEAN) / STD
        np.testing.assert_allclose(padded[:, :height, :width], expected.transpose(2, 0, 1), atol=1e-5)
        assert not padded[:, height:].any()
        assert not padded[:, :, width:].any()


def test_an_image_is_the_same_alone_and_beside_a_bigger_one(rng):
    """T4: bit for bit."""
    small, big = pictures(rng, (20, 31), (50, 90))
    alone = padded_images([small], mean=MEAN, std=STD, multiple=8)
    together = padded_images([big, small], mean=MEAN, std=STD, multiple=8)
    assert np.array_equal(alone[0], together[1, :, :24, :32])
    assert not together[1, :, 24:].any()
    assert not together[1, :, :, 32:].any()


def test_a_square_is_the_same_for_every_batch(rng):
    """T4: with a fixed square, also the shape does not depend on the neighbours."""
    small, big = pictures(rng, (20, 31), (50, 64))
    alone = padded_images([small], mean=MEAN, std=STD, multiple=16, square=64)
    together = padded_images([small, big], mean=MEAN, std=STD, multiple=16, square=64)
    assert alone.shape == (1, 3, 64, 64)
    assert np.array_equal(alone[0], together[0])
    assert padded_images([small], mean=MEAN, std=STD, multiple=16, square=50).shape == (1, 3, 64, 64)


def test_views_of_images_are_padded_as_their_copies(rng):
    image = pictures(rng, (20, 31))[0]
    views = padded_images([image[:, ::-1], image[2:9, 3:]], mean=MEAN, std=STD, multiple=8)
    copies = padded_images([image[:, ::-1].copy(), image[2:9, 3:].copy()], mean=MEAN, std=STD, multiple=8)
    assert np.array_equal(views, copies)


def test_an_image_larger_than_the_square_is_refused(rng):
    with pytest.raises(ValueError, match="at most 32 x 32 pixels, found 33 x 20"):
        padded_images(pictures(rng, (33, 20)), mean=MEAN, std=STD, multiple=8, square=32)
    with pytest.raises(ValueError, match="at least one image"):
        padded_images([], mean=MEAN, std=STD, multiple=8)


def test_label_maps_are_padded_with_ignored():
    """T9: label padding counts for nothing."""
    found = padded_label_maps([np.ones((2, 3), np.int16), np.zeros((1, 1), np.uint8)], 2, 4)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, [[[1, 1, 1, -1]] * 2, [[0, -1, -1, -1], [-1] * 4]])
    with pytest.raises(ValueError, match="at most 2 x 2 pixels, found 2 x 3"):
        padded_label_maps([np.ones((2, 3), np.int16)], 2, 2)
