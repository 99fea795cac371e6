"""File bytes or raw arrays -> RGB pixels, (H, W, 3) uint8, or label values. Safe from many threads."""

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
_SWAPS_SIDES = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
# WebP and JPEG 2000 can be, but do not say so.
_LOSSLESS = ("PNG", "GIF", "BMP", "PPM", "TIFF")
# Pillow's readers let all of these out when a file is damaged.
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip


class UndecodableImage(ValueError):
    """The bytes are no image that can be used; the message is the reason, without the file's name."""


def decode(
    source: bytes | Path,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    at_least: int | None = None,
    annotated_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Decode an image to upright RGB.

    EXIF orientation is applied, unless pixels of the image are annotated. Transparency is composited on
    white. 16-bit grey is scaled from its full range to 0..255. CMYK is converted without colour profile. Of
    several frames or pages the first is taken.

    Args:
        source: the file's bytes, or its path.
        max_pixels: larger images are refused from their header, before anything is decoded.
        at_least: short side in pixels that is enough. A JPEG may then be decoded at 1/2, 1/4 or 1/8 of
            its size, never to a short side below this. None: full size.
        annotated_size: (width, height) in pixels of what annotations were made on: the image as it is
            stored, or turned, whichever has this size; as it is stored if neither or both have.

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
        full_size = image.size
        if at_least is not None and image.format in ("JPEG", "MPO"):
            image.draft(None, (at_least, at_least))
        image.load()
        # Asked only now: Pillow itself turns TIFF while it loads.
        turn = _turn(image)
        if annotated_size is not None and not _is_made_by(turn, full_size, annotated_size):
            turn = None
        return _rgb(image if turn is None else image.transpose(turn))
    except UndecodableImage:
        raise
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged {image.format} image: {_words(error)}") from error


def decode_values(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """Decode an image whose pixels are numbers, such as a label map: nothing is converted.

    Returns:
        (H, W) integers: palette indices, or grey values as they are stored; or (H, W, 3) uint8: R, G, B.

    Raises:
        UndecodableImage: as `decode`; compressed with losses; or pixels that are no plain numbers.
    """
    if not data:
        raise UndecodableImage("empty file")
    image = _open(data, max_pixels)
    if image.format not in _LOSSLESS:
        raise UndecodableImage(f"{image.format} changes values: expected PNG or another lossless format")
    try:
        image.load()
        values = np.asarray(image)
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged {image.format} image: {_words(error)}") from error
    if image.mode == "L":
        return values // _grey_scale(data)
    if image.mode == "1" or image.mode == "P" or image.mode.startswith("I"):
        return values.astype(np.uint8) if values.dtype == bool else values
    if image.mode == "RGB":
        return values
    raise UndecodableImage(f"expected grey, palette or RGB pixels, found mode {image.mode}")


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


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How the image has to be turned by its EXIF data; unreadable EXIF data asks for nothing."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGED:
        return None
    # The value is the file's own, of any type.
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _is_made_by(turn: Image.Transpose | None, size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether turning, and nothing less, gives an image of `size` the `wanted` size."""
    return turn in _SWAPS_SIDES and size != wanted and size[::-1] == wanted


def _grey_scale(data: bytes) -> int:
    """By what Pillow multiplies the values of a grey image: it spreads PNG's 2 and 4 bits over 0..255."""
    bits, colour = data[24:26] if data.startswith(b"\x89PNG") else (8, 0)
    return {2: 85, 4: 17}.get(bits, 1) if colour == 0 else 1


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
