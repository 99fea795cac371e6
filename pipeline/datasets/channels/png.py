"""Reads PNG files as numbers: grey and RGB of 8 or 16 bits."""

from typing import Any

import numpy as np

from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.stored import Stored
from pipeline.datasets.decode import UndecodableImage, decode_values, opened

_BITS, _COLOUR_TYPE = 24, 25  # byte offsets
_GREY, _PALETTE = 0, 3  # colour types


def read_png(data: bytes, options: Options) -> Stored:
    """Values as stored; an alpha channel that is opaque everywhere is dropped.

    Raises:
        UndecodableImage: not a PNG file, damaged, with a palette, or transparent.
        ValueError: colours of 16 bits, and imagecodecs is not installed.
    """
    if data[:4] != b"\x89PNG":
        raise UndecodableImage(f"expected a PNG file, found one that starts with {data[:8]!r}")
    if len(data) > _COLOUR_TYPE and data[_COLOUR_TYPE] == _PALETTE:
        raise UndecodableImage("expected numbers, found a palette of colours")
    if len(data) > _COLOUR_TYPE and data[_BITS] == 16 and data[_COLOUR_TYPE] != _GREY:
        return Stored(_wide_colours(data, options), "last")
    return Stored(decode_values(data, max_pixels=options.max_pixels), "last")


def _wide_colours(data: bytes, options: Options) -> np.ndarray:
    """(H, W, C) uint16: Pillow would keep the upper 8 bits only."""
    imagecodecs = _library()
    opened(data, options.max_pixels)  # refuses too many pixels before they are decoded
    try:
        values = imagecodecs.png_decode(data)
    except Exception as error:  # what the library raises for a damaged file is not documented
        raise UndecodableImage(f"PNG that cannot be read: {type(error).__name__}: {error}") from error
    if values.dtype != np.uint16:
        raise UndecodableImage(f"expected values of 16 bits, found {values.dtype}")
    if values.ndim == 3 and values.shape[2] in (2, 4):
        if (values[..., -1] != np.iinfo(np.uint16).max).any():
            raise UndecodableImage("expected grey or opaque RGB pixels, found transparent ones")
        values = values[..., :-1]
    return values


def _library() -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise ValueError(
            "PNG files with colours of 16 bits are read with imagecodecs, which is not installed: "
            "python -m pip install -e '.[channels]'"
        ) from error
    return imagecodecs
