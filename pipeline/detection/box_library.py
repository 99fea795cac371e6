"""The compiled functions of boxes: how they are built and called. Whoever calls one has its twin in NumPy."""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pipeline.native.build import BuildError, build_library

_NAMES = ("assignment.cpp", "nms.cpp", "proposals.cpp", "roi_align.cpp")
_SOURCES = [Path(__file__).resolve().with_name(name) for name in _NAMES]
# Overlaps as in NumPy, to the last bit: one of exactly the threshold is none.
_FLAGS = ("-ffp-contract=off",)
_POINTER, _COUNT, _NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
_ARGUMENTS = {
    "hssl_assign": [_COUNT, _POINTER] * 3 + [_NUMBER] * 4 + [_POINTER] * 2,
    "hssl_highest": [_COUNT, *[_POINTER] * 3, _COUNT, _COUNT, _POINTER, _POINTER],
    "hssl_nms": [_COUNT, _POINTER, _POINTER, _NUMBER, _POINTER],
    "hssl_roi_cells": [_COUNT, *[_POINTER] * 2, _COUNT, *[_POINTER] * 4, _COUNT, _COUNT, *[_POINTER] * 4],
}


@cache
def function_of_boxes(name: str) -> Callable[..., None] | None:
    """The compiled function of this name; None if nothing can be compiled here."""
    try:
        function = getattr(ctypes.CDLL(str(build_library("boxes", _SOURCES, _FLAGS))), name)
    except (BuildError, OSError):  # NumPy gives the same
        return None
    function.argtypes, function.restype = _ARGUMENTS[name], None
    return function
