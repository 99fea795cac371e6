"""Decodes file bytes or arrays to RGB pixels, (H, W, 3) uint8, or to label values. Thread-safe."""

import importlib
import io
import logging
import re
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, features

from pipeline.datasets.depth import stated_bits
from pipeline.datasets.jpeg import enough, plain_size, rgb_of_jpeg

# The formats of photographs. The list is closed because some of Pillow's other readers start external
# programs (PostScript) or check sizes only while loading.
_ALWAYS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")
# Pillow's name of a format -> (package with the plug-in, its module, its function that registers it).
_PLUG_INS = {
    "HEIF": ("pillow-heif", "pillow_heif", "register_heif_opener"),
    "JXL": ("pillow-jxl-plugin", "pillow_jxl", None),
}

# Pillow reports some files that it refuses to its log, too, once for each.
logging.getLogger("PIL").addHandler(logging.NullHandler())

DEFAULT_MAX_PIXELS = 64_000_000
FULL_GREY = (0.0, 65535.0)  # all values of 16 bits

_ORIENTATION_TAG = 0x0112  # EXIF
_PHOTOMETRIC_TAG = 262  # TIFF
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # first bytes
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
# The brands that files of the ISO base media format state.
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "HEIF"),
}
# WebP and JPEG 2000 can be lossless, but do not say so.
_LOSSLESS = ("PNG", "GIF", "BMP", "PPM", "TIFF")
# What Pillow's readers raise for a damaged file.
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip


def _with_plug_ins() -> tuple[str, ...]:
    """The formats that this installation can read."""
    found = [*_ALWAYS, *(["AVIF"] if features.check("avif") else [])]
    for name, (_, module, register) in _PLUG_INS.items():
        if find_spec(module):
            plug_in = importlib.import_module(module)
            if register:
                getattr(plug_in, register)()
            found.append(name)
    return tuple(found)


FORMATS = _with_plug_ins()


class UndecodableImage(ValueError):
    """The bytes are not a usable image; the message is the reason, without the file's name."""


def decode(
    source: bytes | Path,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    at_least: int | None = None,
    annotated_size: tuple[int, int] | None = None,
    grey_range: tuple[float, float] | None = FULL_GREY,
) -> np.ndarray:
    """Decode an image to upright RGB.

    EXIF orientation is applied, unless the image has annotated pixels. Transparency is composited on white.
    16-bit grey is scaled from `grey_range` to 0..255. CMYK is converted without colour profile. The first of
    several frames or pages is read.

    Args:
        source: the file's bytes, or its path.
        max_pixels: larger images are refused from their header, before any pixel is decoded.
        at_least: sufficient length of the short side in pixels. A JPEG may then be decoded at 1/2, 1/4 or 1/8
            of its size, with no short side below this. None: full size.
        annotated_size: (width, height) in pixels of the image on which annotations were made: as stored, or
            turned, whichever has this size; as stored if neither or both have.
        grey_range: the values of 16-bit grey that become 0 and 255; values outside are clipped. None:
            unknown. PGM states its own.

    Returns:
        (H, W, 3) uint8, possibly read-only.

    Raises:
        UndecodableImage: empty, not an image, truncated, damaged, too large, or of unknown value range.
        OSError: `source` is a path that cannot be read.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise UndecodableImage("empty file")
    if (size := plain_size(data)) and size[0] * size[1] <= max_pixels:
        pixels = rgb_of_jpeg(data, *(size if at_least is None else enough(*size, at_least)))
        if pixels is not None:
            return pixels
    image = opened(data, max_pixels)
    try:
        full_size = image.size
        is_jpeg = image.format in ("JPEG", "MPO")
        if at_least is not None and is_jpeg:
            image.draft(None, (at_least, at_least))
        if is_jpeg and image.mode in ("RGB", "L") and _turn(image) is None:
            pixels = rgb_of_jpeg(data, *image.size)
            if pixels is not None:
                return pixels
        image.load()
        # Not earlier: Pillow itself turns TIFF files while loading.
        turn = _turn(image)
        if annotated_size is not None and not _is_made_by(turn, full_size, annotated_size):
            turn = None
        if _is_wide_colour(image, data) and grey_range != FULL_GREY and image.format != "PPM":
            _refuse_wide_colour(grey_range)
        # Transposing loses the attribute that says so.
        is_inverted = _is_white_zero(image)
        return _rgb(
            image if turn is None else image.transpose(turn),
            FULL_GREY if image.format == "PPM" else grey_range,
            is_inverted=is_inverted,
        )
    except UndecodableImage:
        raise
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged {image.format} image: {_words(error)}") from error


def wide_values(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[np.ndarray, bool] | None:
    """(values within 0..65535, whether they are colours) of a 16-bit image; None if it is another image.

    Grey is (H, W), as stored. Colours are (H, W, 3), of which Pillow keeps the upper 8 bits only: the values
    are the largest that these could have been.

    Raises:
        UndecodableImage: as `decode`.
    """
    image = opened(data, max_pixels)
    are_colours = _is_wide_colour(image, data)
    if image.format == "PPM" or not (are_colours or image.mode.startswith("I")):
        return None
    try:
        image.load()
        values = np.asarray(image)
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged {image.format} image: {_words(error)}") from error
    if are_colours:
        return values[..., :3].astype(np.uint16) * 256 + 255, True
    if values.size == 0 or values.min() < 0 or values.max() > FULL_GREY[1]:
        return None
    return _upright_grey(values, _is_white_zero(image)), False


def _is_wide_colour(image: Image.Image, data: bytes) -> bool:
    return image.mode in ("RGB", "RGBA", "LA") and stated_bits(image, data) > 8


def decode_values(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """Decode an image whose pixels are numbers, such as a label map, without conversion.

    Pillow scales the values of files with few bits or with a stated maximum, and inverts TIFF files in which
    0 is white; both are undone.

    Returns:
        (H, W) integers: palette indices, or grey values as stored; or (H, W, 3) uint8: R, G, B.

    Raises:
        UndecodableImage: as `decode`; lossy compression; or pixels that are not plain numbers, or colours of
            16 bits.
    """
    return decode_indexed(data, max_pixels=max_pixels)[0]


def decode_indexed(
    data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> tuple[np.ndarray, dict[int, tuple[int, int, int]]]:
    """As `decode_values`, with the colours of the palette indices in use; empty without a palette.

    Raises:
        UndecodableImage: as `decode_values`.
    """
    if not data:
        raise UndecodableImage("empty file")
    image = opened(data, max_pixels)
    values = _values(image, data)
    if image.mode != "P":
        return values, {}
    palette = image.getpalette("RGB") or []
    used = np.flatnonzero(np.bincount(values.ravel(), minlength=256)).tolist()
    return values, {index: tuple(palette[3 * index : 3 * index + 3]) for index in used}


def _values(image: Image.Image, data: bytes) -> np.ndarray:
    if image.format not in _LOSSLESS:
        raise UndecodableImage(f"{image.format} changes values: expected PNG or another lossless format")
    try:
        image.load()
        values = np.asarray(image)
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged {image.format} image: {_words(error)}") from error
    if image.format == "PPM" and (match := _PNM_HEADER.match(data)):
        return _unspread(values, int(match[1]))
    if _is_white_zero(image) and image.mode in ("L", "1"):
        values = ~values if image.mode == "1" else 255 - values
    if image.mode == "L":
        return values // _spread_by(image, data)
    if image.mode == "1" or image.mode == "P" or image.mode.startswith("I"):
        return values.astype(np.uint8) if values.dtype == bool else values
    if image.mode == "RGB":
        if stated_bits(image, data) > 8:
            raise UndecodableImage("expected values of 8 bits in each of three channels, found 16 bits")
        return values
    if image.mode in ("LA", "RGBA"):
        if stated_bits(image, data) > 8:
            raise UndecodableImage("expected values of 8 bits in each channel, found 16 bits")
        if (values[..., -1] == 255).all():  # an alpha channel that some programs always add
            return values[..., 0] if image.mode == "LA" else values[..., :3]
        raise UndecodableImage("expected grey, palette or opaque RGB pixels, found transparent ones")
    raise UndecodableImage(f"expected grey, palette or RGB pixels, found mode {image.mode}")


def rgb_from_array(array: np.ndarray) -> np.ndarray:
    """An image of an array data set as RGB.

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


def opened(data: bytes, max_pixels: int) -> Image.Image:
    """The image, of which only the header has been read.

    Raises:
        UndecodableImage: no known format, a damaged header, or more pixels than `max_pixels`.
    """
    # Pillow refuses images above its own limit, and a higher configured limit must win. It is only ever
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
        if package := _missing_plug_in(data):
            raise UndecodableImage(f"this format needs a plug-in for Pillow: install {package}") from error
        hint = "; its bands as numbers: data.channels" if data[:4] in _TIFF else ""
        raise UndecodableImage(f"not an image in a known format (starts with {data[:8]!r}){hint}") from error
    except _DAMAGED as error:
        raise UndecodableImage(f"damaged header: {_words(error)}") from error
    width, height = image.size
    if width * height > max_pixels:
        raise UndecodableImage(
            f"decompression bomb: {width} x {height} pixels, more than max_pixels = {max_pixels} in all"
        )
    return image


def _missing_plug_in(data: bytes) -> str | None:
    """The package that could read the file, judging by its first bytes."""
    if data[4:8] == b"ftyp":
        name = _BRANDS.get(data[8:12])
    else:
        name = "JXL" if data.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")) else None
    if name is None or name in FORMATS:
        return None
    return _PLUG_INS[name][0] if name in _PLUG_INS else "Pillow 11.3 or newer"


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The transposition that EXIF data ask for; unreadable EXIF data are ignored."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGED:
        return None
    # The value comes from the file and may have any type.
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _is_made_by(turn: Image.Transpose | None, size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether only turning gives an image of `size` the `wanted` size."""
    return turn in _SWAPS_SIDES and size != wanted and size[::-1] == wanted


# The maximum value of plain or binary PGM and PPM files, between comments.
_PNM_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM_HEADER = re.compile(rb"P[2356]" + _PNM_SPACE + rb"\d+" + _PNM_SPACE + rb"\d+" + _PNM_SPACE + rb"(\d+)")


def _unspread(values: np.ndarray, highest: int) -> np.ndarray:
    """The file's own values, from those that Pillow scaled to 0..255 or 0..65535."""
    if values.ndim == 3 and highest > 255:
        raise UndecodableImage("expected values of 8 bits in each of three channels, found 16 bits")
    spread_over = 255 if highest <= 255 else 65535
    stored = (values.astype(np.int64) * highest + spread_over // 2) // spread_over
    return stored.astype(np.uint8 if highest <= 255 else np.uint16)


def _spread_by(image: Image.Image, data: bytes) -> int:
    """The factor by which Pillow scales the values of a grey image of 2 or 4 bits to 0..255."""
    is_grey = data[25] == 0 if image.format == "PNG" else True
    return {2: 85, 4: 17}.get(stated_bits(image, data), 1) if is_grey else 1


def _is_white_zero(image: Image.Image) -> bool:
    """Whether a TIFF file has 0 as white."""
    return image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC_TAG) == 0


def _refuse_wide_colour(grey_range: tuple[float, float] | None) -> None:
    if grey_range is None:
        raise UndecodableImage(
            "16-bit colours of which it is not known what range is used: state data.grey_range = [0, 65535], "
            "or data.channels = 3 for the numbers"
        )
    raise UndecodableImage(
        f"16-bit colours keep their upper 8 bits, which data.grey_range = [{grey_range[0]:g}, "
        f"{grey_range[1]:g}] does not scale; as numbers: data.channels = 3"
    )


def _rgb(image: Image.Image, grey_range: tuple[float, float] | None, *, is_inverted: bool) -> np.ndarray:
    if image.mode.startswith("I"):
        return _scaled_grey(_upright_grey(np.asarray(image), is_inverted), grey_range)
    if image.mode == "F":
        raise UndecodableImage("floating-point pixels have no known range; as numbers: data.channels = 1")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return np.asarray(_on_white(image.convert("RGBA")))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _upright_grey(values: np.ndarray, is_inverted: bool) -> np.ndarray:
    """16-bit grey with 0 as black: Pillow inverts TIFF files with 0 as white only up to 8 bits."""
    return int(FULL_GREY[1]) - values if is_inverted else values


def _scaled_grey(values: np.ndarray, grey_range: tuple[float, float] | None) -> np.ndarray:
    """(H, W) of 16-bit grey -> (H, W, 3) uint8, rounded."""
    if grey_range is None:
        raise UndecodableImage(
            "16-bit grey of which it is not known what range is used: state data.grey_range, e.g. [0, 65535]"
        )
    low, high = grey_range
    if values.min() < min(low, FULL_GREY[0]) or values.max() > max(high, FULL_GREY[1]):
        raise UndecodableImage(f"integer pixels from {values.min()} to {values.max()} have no known range")
    scaled = (np.clip(values.astype(np.float64), low, high) - low) * (255 / (high - low))
    grey = np.floor(scaled + 0.5).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
