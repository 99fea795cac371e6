"""JPEG files straight into arrays, by simplejpeg where it is installed and gives Pillow's very pixels.

Both hold libjpeg-turbo, but Pillow copies an image twice more and keeps other threads waiting meanwhile.
"""

import io
from functools import cache

import numpy as np
from PIL import Image

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

# Reduced sizes of smaller images could be those of several factors.
_FEWEST_PIXELS = 16  # of a side


def rgb_of_jpeg(data: bytes, width: int, height: int) -> np.ndarray | None:
    """(height, width, 3) uint8 of a JPEG file of grey or RGB; None leaves it to Pillow.

    Left to Pillow are files that libjpeg has anything to say of, such as damaged ones, and all where
    simplejpeg is not installed or its pixels are not Pillow's.

    Args:
        width, height: pixels; the file's own or, rounded up, 1/2, 1/4 or 1/8 of them.
    """
    if min(width, height) < _FEWEST_PIXELS or not is_used():
        return None
    return _decoded(data, width, height)


@cache
def is_used() -> bool:
    """Whether simplejpeg is there and decodes as Pillow does, in full and at half size."""
    if simplejpeg is None:
        return False
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize((97, 75), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
    return all(_is_pillows(stream.getvalue(), divisor) for divisor in (1, 2))


def _is_pillows(data: bytes, divisor: int) -> bool:
    image = Image.open(io.BytesIO(data))
    image.draft(None, tuple(side // divisor for side in image.size))
    found = _decoded(data, *image.size)
    return found is not None and np.array_equal(found, np.asarray(image))


def _decoded(data: bytes, width: int, height: int) -> np.ndarray | None:
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_width=width, min_height=height)
    except ValueError:
        return None
    return pixels if pixels.shape == (height, width, 3) else None
