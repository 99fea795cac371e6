"""Reads PNG files as numbers: grey of 8 or 16 bits, RGB of 8 bits."""

from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.stored import Stored
from pipeline.datasets.decode import UndecodableImage, decode_values

_COLOUR_TYPE, _PALETTE = 25, 3  # byte offset, and value


def read_png(data: bytes, options: Options) -> Stored:
    """Values as stored; an alpha channel that is opaque everywhere is dropped.

    Raises:
        UndecodableImage: not a PNG file, damaged, with a palette, transparent, or RGB of 16 bits, which
            Pillow cuts to 8.
    """
    if data[:4] != b"\x89PNG":
        raise UndecodableImage(f"expected a PNG file, found one that starts with {data[:8]!r}")
    if len(data) > _COLOUR_TYPE and data[_COLOUR_TYPE] == _PALETTE:
        raise UndecodableImage("expected numbers, found a palette of colours")
    return Stored(decode_values(data, max_pixels=options.max_pixels), "last")
