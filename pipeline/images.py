"""File bytes or raw arrays -> RGB pixels, (H, W, 3) uint8. Safe to call from many threads."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# What a data set of photographs comes in. The list is closed because some of Pillow's other readers
# start external programs (PostScript) or check sizes only while loading.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")

DEFAULT_MAX_PIXELS = 64_000_000

_ORIENTATION_TAG = 0x0112  # EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow's readers let all of these out when a file is damaged.
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip


class UndecodableImage(ValueError):
    """The bytes are no image that can be used; the message is the reason, without the file's name."""


def decode(
    source: bytes | Path, *, max_pixels: int = DEFAULT_MAX_PIXELS, at_least: int | None = None
) -> np.ndarray:
    """Decode an image to upright RGB.

    EXIF orientation is applied. Transparency is composited on white. 16-bit grey is scaled from its full
    range to 0..255. CMYK is converted without colour profile. Of several frames or pages the first is taken.

    Args:
        source: the file's bytes, or its path.
        max_pixels: larger images are refused from their header, before anything is decoded.
        at_least: short side in pixels that is enough. A JPEG may then be decoded at 1/2, 1/4 or 1/8 of
            its size, never to a short side below this. None: full size.

    Returns:
        (H, W, 3) uint8, possibly read-only.

    Raises:
        UndecodableImage: empty, not an image, truncated, damaged, too large, or without a known value range.
        OSError: `source` is a path that cannot be read.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise UndecodableImage("empty file")
    image = _open(data, max_pixels)
    try:
        if at_least is not None and image.format in ("JPEG", "MPO"):
            image.draft(None, (at_least, at_least))
        image.load()
        return _rgb(_upright(image))
    except UndecodableImage:
        raise
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged {image.format} image: {_words(error)}") from error


def rgb_from_array(array: np.ndarray) -> np.ndarray:
    """One image of an array data set as RGB.

    Args:
        array: (H, W) or (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) RGBA (composited on white), uint8.

    Raises:
        ValueError: another shape or dtype.
    """
    if array.dtype != np.uint8:
        raise ValueError(f"expected uint8 pixels, found {array.dtype}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(f"expected an image of shape (H, W) or (H, W, 1, 3 or 4), found {array.shape}")
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return np.asarray(_on_white(Image.fromarray(np.ascontiguousarray(array))))
    return array


def _open(data: bytes, max_pixels: int) -> Image.Image:
    # Pillow refuses images above a limit of its own. A configured limit beyond it must win; it is only ever
    # raised, so threads cannot disagree.
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableImage(
            f"decompression bomb: more pixels than max_pixels = {max_pixels} allows ({_words(error)})"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UndecodableImage(f"not an image in a known format (starts with {data[:8]!r})") from error
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged header: {_words(error)}") from error
    width, height = image.size
    if width * height > max_pixels:
        raise UndecodableImage(
            f"decompression bomb: {width} x {height} pixels, more than max_pixels = {max_pixels} in all"
        )
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF data asks; unreadable EXIF data asks for nothing."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGED:
        return image
    # The value is the file's own, of any type.
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        return _scaled_grey(np.asarray(image))
    if image.mode == "F":
        raise UndecodableImage("floating-point pixels have no known range")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return np.asarray(_on_white(image.convert("RGBA")))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _scaled_grey(values: np.ndarray) -> np.ndarray:
    """(H, W) of 16-bit grey -> (H, W, 3) uint8, rounded."""
    if values.min() < 0 or values.max() > 65535:
        raise UndecodableImage(f"integer pixels from {values.min()} to {values.max()} have no known range")
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
