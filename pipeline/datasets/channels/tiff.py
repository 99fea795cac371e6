"""Reads TIFF files through tifffile: bands or pages of 8, 16, 32 or 64 bits, integers or floats."""

import io
from typing import Any

import numpy as np

from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.stored import Stored
from pipeline.datasets.decode import UndecodableImage

_NO_DATA_TAG = 42113  # GDAL's, a text
_PHOTOMETRIC_TAG = 262  # interpretation of the values
_PALETTE, _WHITE_IS_ZERO = 3, 0
_SAMPLES = "SC"  # tifffile's letters for an axis of bands and for one of channels


def read_tiff(data: bytes, options: Options) -> Stored:
    """Values of the only image of a file, at full resolution; inverted where the file has 0 as white.

    Bands of a page, planes and pages are channels. Overviews and masks that GDAL stores beside the image are
    skipped.

    Raises:
        UndecodableImage: not a TIFF file, damaged, several images, more than one axis besides rows and
            columns, a palette, or pixels that the file marks as "no data".
        ValueError: tifffile is not installed.
    """
    tifffile = _library()
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = _only_series(file.series)
            if series.size > options.max_values:
                raise UndecodableImage(
                    f"{series.size} values in the shape {series.shape}, more than max_pixels = "
                    f"{options.max_pixels} allows"
                )
            page, axes, values = series.keyframe, series.axes, series.asarray()
            no_data = page.tags.get(_NO_DATA_TAG)
            photometric = page.tags.get(_PHOTOMETRIC_TAG)
    except UndecodableImage:
        raise
    except Exception as error:  # for a damaged file tifffile raises whatever its parts raise
        raise UndecodableImage(f"TIFF that cannot be read: {type(error).__name__}: {error}") from error
    meaning = None if photometric is None else int(photometric.value)
    if meaning == _PALETTE:
        raise UndecodableImage("expected numbers, found a palette of colours")
    if no_data is not None and not options.no_data_is_kept:
        _refuse_no_data(values, str(no_data.value))
    if meaning == _WHITE_IS_ZERO and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    return _with_axis(values, axes)


def _library() -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise ValueError(
            "TIFF files with channels are read with tifffile, which is not installed: "
            "python -m pip install -e '.[channels]'"
        ) from error
    return tifffile


def _only_series(found: list[Any]) -> Any:
    """The image itself, without overviews and masks."""
    whole = [each for each in found if not (each.keyframe.is_reduced or each.keyframe.is_mask)]
    if len(whole) != 1:
        raise UndecodableImage(
            f"expected one image, found {len(whole)} of the shapes {', '.join(str(e.shape) for e in whole)}"
        )
    return whole[0]


def _refuse_no_data(values: np.ndarray, text: str) -> None:
    try:
        marked = float(text.strip("\0 "))
    except ValueError:
        return
    if num_marked := int((values == marked).sum()):  # NaN equals nothing, and is refused elsewhere
        raise UndecodableImage(
            f"{num_marked} of {values.size} values are {marked:g}, which the file marks as no data "
            '(GDAL_NODATA); data.no_data = "kept" takes them as values'
        )


def _with_axis(values: np.ndarray, axes: str) -> Stored:
    others = [letter for letter in axes if letter not in "YX"]
    if len(others) > 1 or values.ndim > 3:
        raise UndecodableImage(
            f"expected one axis beside rows and columns, found {axes} of the shape {values.shape}"
        )
    if not others or others[0] not in _SAMPLES:
        return Stored(values)
    return Stored(values, "first" if axes[0] == others[0] else "last")
