"""Renders crops with native/augment.cpp, which releases the interpreter lock."""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.native.build import build_library
from pipeline.transforms.crop_parameters import CropParameters

_NATIVE = Path(__file__).resolve().parent.parent / "native"
_HEADERS = ("augment_blur.h", "augment_colour.h", "augment_resize.h")

# The C++ struct Crop.
CROP_RECORD = np.dtype(
    [
        ("image", np.int32),
        ("box", np.int32, 4),
        ("resized", np.int32, 2),
        ("window", np.int32, 2),
        ("hue_shift", np.int32),
        ("brightness", np.float32),
        ("contrast", np.float32),
        ("saturation", np.float32),
        ("blur_sigma", np.float32),
        ("flip", np.uint8),
        ("jitter", np.uint8),
        ("grey", np.uint8),
        ("solarize", np.uint8),
        ("order", np.uint8, 4),
    ],
    align=True,
)


@cache
def _function():
    # Pillow's arithmetic has no fused multiply-add; to give the same bytes, this has none either.
    path = build_library(
        "augment",
        [_NATIVE / "augment.cpp"],
        flags=("-ffp-contract=off",),
        depends=[_NATIVE / name for name in _HEADERS],
    )
    function = ctypes.CDLL(str(path)).hssl_render_crops
    function.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int] * 2 + [ctypes.c_void_p] * 3
    function.restype = ctypes.c_int
    return function


def load() -> None:
    """Load the library, compiling it first if necessary.

    Raises:
        BuildError: it cannot be compiled here.
        OSError: it cannot be loaded.
    """
    _function()


def render_crops_native(
    images: Sequence[np.ndarray],
    parameters: CropParameters,
    size: int,
    *,
    scale: np.ndarray,
    bias: np.ndarray,
) -> np.ndarray:
    """See `pipeline.transforms.rendering.render_crops`; a channel value v becomes v * scale + bias."""
    records = np.empty(len(parameters), CROP_RECORD)
    for name in CROP_RECORD.names:
        records[name] = getattr(parameters, name)
    pointers = np.array([image.__array_interface__["data"][0] for image in images], np.uintp)
    heights = np.array([image.shape[0] for image in images], np.int32)
    widths = np.array([image.shape[1] for image in images], np.int32)
    scale, bias = np.ascontiguousarray(scale, np.float32), np.ascontiguousarray(bias, np.float32)
    crops = np.empty((len(parameters), 3, size, size), np.float32)
    arrays = (pointers, heights, widths, records)
    failed = _function()(
        *(array.ctypes.data for array in arrays),
        len(parameters),
        size,
        *(array.ctypes.data for array in (scale, bias, crops)),
    )
    if failed:
        raise MemoryError(f"no memory left to render {len(parameters)} crops of {size} pixels")
    return crops
