"""Lowest and highest values of each channel of a data set, without outliers."""

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.datasets.channels.reading import ChannelReading
from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.source import Source

WINDOW = (0.1, 99.9)  # percentiles, for `data.window` "percentile"
_IMAGES = 256  # sampled evenly from the source
_PIXELS = 4096  # of each


def percentile_limits(
    images: Iterable[np.ndarray], percentiles: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) float32 each: two percentiles of each channel over all images, from up to 4096 pixels of each.

    Args:
        images: (H, W, C) float32 each.

    Raises:
        ValueError: there are no images.
    """
    samples = [_sample(image) for image in images]
    if not samples:
        raise ValueError("none of the images that were looked at can be read")
    low, high = np.percentile(np.concatenate(samples), percentiles, axis=0).astype(np.float32)
    return low, high


def with_window(reading: ChannelReading, source: Source) -> ChannelReading:
    """The reading with the limits of `data.window` "percentile", from up to 256 images of the source.

    Raises:
        ValueError: none of them can be read.
    """
    return reading.with_limits(*percentile_limits(_evenly(reading, source), WINDOW))


def _evenly(reading: ChannelReading, source: Source) -> Iterator[np.ndarray]:
    entries = [entry for entry in source.entries() if entry.problem is None]
    for entry in entries[:: max(1, -(-len(entries) // _IMAGES))]:
        try:
            content = source.read(entry.path, entry.start, entry.size)
            yield reading.pixels(entry.path, content)
        except (UndecodableImage, OSError):
            continue  # reported later, when every image is checked


def _sample(image: np.ndarray) -> np.ndarray:
    """(n, C): pixels spaced evenly over an image."""
    pixels = image.reshape(-1, image.shape[2])
    return pixels[:: max(1, len(pixels) // _PIXELS)].copy()
