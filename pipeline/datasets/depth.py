"""Bits per channel, as image files state them: Pillow gives 8-bit pixels for colours of any depth."""

import struct

from PIL import Image

_BITS_TAG = 258  # TIFF
_PNG_BITS = 24  # byte offset
_JPEG2000_START = b"\xff\x4f\xff\x51"  # of a codestream: SOC, then SIZ
_JPEG2000_BITS = 42  # bytes from there to the first component's depth, less 1; the top bit is its sign


def stated_bits(image: Image.Image, data: bytes) -> int:
    """Bits of the deepest channel of PNG and TIFF, of the first one of JPEG 2000; 8 for other formats.

    Args:
        image: opened from `data`.
        data: the file's bytes.
    """
    if image.format == "PNG":
        return data[_PNG_BITS]
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_TAG, (8,)))
    if image.format == "JPEG2000":
        start = data.find(_JPEG2000_START)
        place = start + _JPEG2000_BITS
        if start >= 0 and place < len(data):
            return (struct.unpack_from("B", data, place)[0] & 0x7F) + 1
    return 8
