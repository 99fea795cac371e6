"""Chooses the values of 16-bit grey images that become black and white, for a whole source.

Cameras, microscopes and scanners often use only 10, 12 or 14 of the 16 bits. Scaled from the full range, such
images would have only a few of the 256 levels. Of 16-bit colours Pillow keeps the upper 8 bits, so that they
cannot be scaled: where the images use the full range nothing is lost, else they are refused.
"""

from typing import NamedTuple

import numpy as np

from pipeline.datasets.decode import FULL_GREY, UndecodableImage, wide_values
from pipeline.datasets.image_names import stem_and_suffix
from pipeline.datasets.source import Source

_SUFFIXES = (".png", ".tif", ".tiff", ".jp2", ".j2k", ".j2c", ".jpc")  # of formats that can have 16 bits
_LOOKED_AT = 256  # images, spaced evenly over the source
_TAILS = (0.001, 0.999)  # quantiles of all pixels that become black and white
_HALF = 2**15


class GreyRange(NamedTuple):
    """The limits, and a note about them for the user."""

    limits: tuple[float, float] | None  # black, white; None: unknown, such images are refused
    note: str | None = None


def grey_range(source: Source, stated: tuple[float, float] | None, max_pixels: int) -> GreyRange:
    """The range from which 16-bit grey is scaled.

    It is `stated`; else the full range if the images use more than its lower half; else the range between
    the 0.1 and the 99.9 percentile of their pixels. Up to 256 images are read.

    Args:
        stated: `data.grey_range`.

    Raises:
        ValueError: 16-bit colours that use only the lower half of the range.
    """
    if stated is not None:
        return GreyRange(stated, f"16-bit grey: values from {stated[0]:g} to {stated[1]:g} (data.grey_range)")
    if source.access != "random":
        return GreyRange(None)
    counts = {False: np.zeros(2**16, np.int64), True: np.zeros(2**16, np.int64)}  # by: are colours
    numbers = {False: 0, True: 0}
    for path, start, size in _evenly(source):
        try:
            found = wide_values(source.read(path, start, size), max_pixels=max_pixels)
        except (UndecodableImage, OSError):
            continue  # reported later, when every image is checked
        if found is not None:
            values, are_colours = found
            counts[are_colours] += np.bincount(values.ravel(), minlength=2**16)
            numbers[are_colours] += 1
    if numbers[True]:
        _refuse_dark_colours(counts[True], numbers[True])
    if not numbers[False]:
        return GreyRange(FULL_GREY if numbers[True] else None)
    low, high = _range_in_use(counts[False])
    if high >= _HALF:
        return GreyRange(FULL_GREY, "16-bit grey: scaled from the full range of values, 0 to 65535")
    high = max(high, low + 1)
    return GreyRange(
        (low, high),
        f"16-bit grey: values from {low} to {high} become black to white, which 99.8 % of the pixels of "
        f"{numbers[False]} such images have; data.grey_range states another range",
    )


def _range_in_use(counts: np.ndarray) -> tuple[int, int]:
    shares = np.cumsum(counts) / counts.sum()
    low, high = (int(np.searchsorted(shares, tail)) for tail in _TAILS)
    return low, high


def _refuse_dark_colours(counts: np.ndarray, num_images: int) -> None:
    _, high = _range_in_use(counts)
    if high < _HALF:
        raise ValueError(
            f"expected 16-bit colours that use the full range of values, found none above {high} in 99.9 % "
            f"of the pixels of {num_images} such images, of which {(high + 1) // 256} of 256 levels would be "
            "left: data.channels = 3 reads the numbers, data.grey_range = [0, 65535] takes them as they are"
        )


def _evenly(source: Source) -> list[tuple[str, int, int]]:
    """(path, start, size) of images that may have 16 bits: `_LOOKED_AT` at most, spaced evenly."""
    found: list[tuple[str, int, int]] = []
    stride, number = 1, 0
    for entry in source.entries():
        if entry.problem or stem_and_suffix(entry.path)[1] not in _SUFFIXES:
            continue
        if number % stride == 0:
            found.append((entry.path, entry.start, entry.size))
        number += 1
        if len(found) > _LOOKED_AT:
            found, stride = found[::2], 2 * stride
    return found
