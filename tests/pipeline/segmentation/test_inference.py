"""Inference with made-up networks: every pixel is seen, and none is shifted."""

import numpy as np
import pytest

from pipeline.segmentation.inference import class_map, slide, window_starts


def brightness(images):
    """Logits that are the channels themselves."""
    return images


@pytest.mark.parametrize(
    ("length", "window", "stride", "expected"),
    [
        (10, 4, 3, [0, 3, 6]),
        (11, 4, 3, [0, 3, 6, 7]),
        (4, 4, 3, [0]),
        (3, 4, 3, [0]),
        (2048, 512, 341, [0, 341, 682, 1023, 1364, 1536]),
    ],
)
def test_t11_every_pixel_is_covered(length, window, stride, expected):
    """T11: the windows reach both ends."""
    starts = window_starts(length, window, stride)
    assert starts == expected
    covered = {place for start in starts for place in range(start, min(start + window, length))}
    assert covered == set(range(length))


def test_a_stride_with_gaps_is_refused():
    with pytest.raises(ValueError, match=r"stride in 1\.\.4, the window, got 5"):
        window_starts(10, 4, 5)


@pytest.mark.parametrize("size", [(13, 9), (5, 5), (3, 20), (1, 2)])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_t11_a_constant_stays_constant(size, batch_size):
    """T11: whatever the windows overlap, and where the image is smaller than one."""
    images = np.broadcast_to(np.array([2.0, -1.0, 0.5], np.float32).reshape(1, 3, 1, 1), (2, 3, *size))
    found = slide(brightness, images, window=5, stride=3, batch_size=batch_size)
    np.testing.assert_allclose(found, images, rtol=1e-6)


def test_t11_overlapping_logits_are_averaged(rng):
    """T11: each pixel gets the mean over the windows that see it, of several images in one batch."""
    images = rng.normal(size=(2, 3, 7, 8)).astype(np.float32)

    def centred(windows):
        return windows - windows.mean(axis=(2, 3), keepdims=True)

    found = slide(centred, images, window=4, stride=3, batch_size=5)
    total, seen = np.zeros(images.shape), np.zeros((7, 8))
    for top in (0, 3):
        for left in (0, 3, 4):
            place = (..., slice(top, top + 4), slice(left, left + 4))
            total[place] += centred(images[place])
            seen[place[1:]] += 1
    np.testing.assert_allclose(found, total / seen, atol=1e-6)


def test_t11_one_window_is_the_whole_image(rng):
    """T11: where a window holds the image, sliding sees what one pass sees."""
    images = rng.normal(size=(3, 3, 6, 8)).astype(np.float32)
    calls = []

    def recorded(windows):
        calls.append(windows)
        return windows**2

    found = slide(recorded, images, window=8, stride=5, batch_size=8)
    assert np.array_equal(found, images**2)
    assert len(calls) == 1
    assert np.array_equal(calls[0], images)


@pytest.mark.parametrize("size", [(6, 8), (13, 21), (3, 5), (64, 1)])
def test_class_map_at_the_labels_resolution(monkeypatch, rng, size):
    """Logits are resized before the largest is taken, in strips as in one piece."""
    from pipeline.segmentation import inference

    logits = rng.normal(size=(5, 6, 8)).astype(np.float32)
    rows, columns = (_triangles(old, new) for old, new in zip((6, 8), size, strict=True))
    expected = (rows @ logits.astype(np.float64) @ columns.T).argmax(axis=0)
    for strip_bytes in (2**24, 1):
        monkeypatch.setattr(inference, "_STRIP_BYTES", strip_bytes)
        found = class_map(logits, size)
        assert found.dtype == np.int16
        assert np.array_equal(found, expected)


def _triangles(old, new):
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(1 - np.abs(centres[:, None] - np.arange(old)), 0)
