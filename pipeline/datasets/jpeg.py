"""Decodes JPEG files straight into arrays, by simplejpeg if it is installed and gives Pillow's exact pixels.

Both use libjpeg-turbo, but Pillow copies an image twice more and blocks other threads meanwhile.
"""

import io
from functools import cache

import numpy as np
from PIL import Image

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

# Segments that affect neither orientation nor colours: APP0 (JFIF), tables, comments.
_TAME = frozenset((0xE0, 0xDB, 0xC4, 0xDD, 0xFE))
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive
# A smaller image's reduced size could come from several factors.
_FEWEST_PIXELS = 16  # of a side


def rgb_of_jpeg(data: bytes, width: int, height: int) -> np.ndarray | None:
    """(height, width, 3) uint8 of a grey or RGB JPEG file; None: to be decoded by Pillow.

    Pillow decodes the files for which libjpeg has warnings, such as damaged ones, and all files if simplejpeg
    is not installed or its pixels differ from Pillow's.

    Args:
        width, height: pixels; the file's own size, or 1/2, 1/4 or 1/8 of it, rounded up.
    """
    if min(width, height) < _FEWEST_PIXELS or not is_used():
        return None
    return _decoded(data, width, height)


def plain_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a grey or YCbCr JPEG file without unusual headers; None: to be opened by Pillow.

    Opening such a file takes Pillow a sixth of the time of decoding it. Pillow opens files with EXIF or XMP,
    which may turn the image, with colours of their own (Adobe), and everything unusual.
    """
    if data[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            if data[place + 4] != 8 or data[place + 9] not in (1, 3):
                return None
            height, width = (int.from_bytes(data[place + n : place + n + 2], "big") for n in (5, 7))
            return width, height
        if marker not in _TAME or length < 2:
            return None
        place += 2 + length
    return None


def enough(width: int, height: int, at_least: int) -> tuple[int, int]:
    """The smallest size at which a file can be decoded with both sides at least this long.

    Source: the size that Pillow's `draft` takes, which tries divisors without remainder first.
    """
    factor = min(width, height) // at_least
    divisor = next((each for each in (8, 4, 2) if factor >= each), 1)
    return -(-width // divisor), -(-height // divisor)


@cache
def is_used() -> bool:
    """Whether simplejpeg is installed and decodes as Pillow does, in full and at half size."""
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
