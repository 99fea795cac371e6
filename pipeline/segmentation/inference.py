"""Sliding-window inference, and class maps from logits.

Shapes: B images of one size H x W, K classes. `LogitsOf` maps normalised images (B, 3, H, W) float32 of any
size to the logits of every pixel, (B, K, H, W) float32.
"""

from collections.abc import Callable

import numpy as np

LogitsOf = Callable[[np.ndarray], np.ndarray]

_STRIP_BYTES = 2**24  # of logits held at once, at the resolution of the class map


def slide(
    logits_of: LogitsOf, images: np.ndarray, *, window: int, stride: int, batch_size: int
) -> np.ndarray:
    """Logits of every pixel, averaged over all windows that contain it.

    Windows are `stride` pixels apart; the last one along each axis ends at the image's edge, so all have the
    same size. If a side is shorter than the window, the window covers all of it.

    Args:
        images: (B, 3, H, W) float32.
        window: side of the square windows, pixels.
        batch_size: windows per forward pass.

    Returns:
        (B, K, H, W) float32.

    Source: mmsegmentation's `slide_inference`.
    """
    height, width = images.shape[2:]
    windows = [
        (image, slice(None), slice(top, top + window), slice(left, left + window))
        for image in range(len(images))
        for top in window_starts(height, window, stride)
        for left in window_starts(width, window, stride)
    ]
    total, seen = None, np.zeros((height, width), np.float32)
    for first in range(0, len(windows), batch_size):
        part = windows[first : first + batch_size]
        logits = logits_of(np.stack([images[index] for index in part]))
        if total is None:
            total = np.zeros((len(images), logits.shape[1], height, width), np.float32)
        for index, window_logits in zip(part, logits, strict=True):
            total[index] += window_logits
    for _, _, rows, columns in windows[: len(windows) // len(images)]:
        seen[rows, columns] += 1
    total /= seen
    return total


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """First pixel of each window along an axis of `length` pixels; together the windows cover it.

    Raises:
        ValueError: the stride would leave gaps.
    """
    if not 0 < stride <= window:
        raise ValueError(f"expected a stride in 1..{window}, the window, got {stride}")
    last = max(length - window, 0)
    return [*range(0, last, stride), last]


def class_map(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The class with the largest logit at every pixel, at another resolution.

    Args:
        logits: (K, H, W) float32.
        size: (h, w) of the result; logits are resized to it bilinearly, a strip of rows at a time.

    Returns:
        (h, w) int16.
    """
    height, width = size
    if logits.shape[1:] == size:
        return logits.argmax(axis=0).astype(np.int16)
    found = np.empty(size, np.int16)
    low, high, share = _neighbours(logits.shape[1], height)
    left, right, across = _neighbours(logits.shape[2], width)
    step = max(1, _STRIP_BYTES // (4 * len(logits) * max(width, logits.shape[2])))
    for first in range(0, height, step):
        rows = slice(first, first + step)
        strip = _interpolated(logits[:, low[rows]], logits[:, high[rows]], share[rows, None])
        found[rows] = _interpolated(strip[..., left], strip[..., right], across).argmax(axis=0)
    return found


def _neighbours(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear interpolation along an axis: two old pixels for each new one, and the weight of the second."""
    centers = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.floor(centers).astype(int)
    return low, np.minimum(low + 1, old - 1), (centers - low).astype(np.float32)


def _interpolated(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    return low + share * (high - low)
