"""The compiled step of a sweep, native/sweep_step.cpp. Whoever calls it has its twin in NumPy.

Shapes: B images, D channels, C classes, L learning rates.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

from pipeline.native.build import BuildError, build_library

_NATIVE = Path(__file__).resolve().parent.parent / "native"
_HEADERS = ("chunks.h", "rounding.h", "tiles.h", "transposition.h", "vector_math.h")
_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_long

# Features (B, D), labels (B,) or (B, C), rates (L,) float32, momentum; weights and velocity (L, C, D + 1)
# float32, which are changed in place.
Step = Callable[[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray, np.ndarray], None]


@cache
def compiled_step(label_axes: int, flags: tuple[str, ...] = ()) -> Step | None:
    """The step for labels of one class an image (1 axis) or of any number (2); None: nothing compiles here.

    It uses as many threads as OpenMP does; the result depends neither on them nor on the other rates.

    Args:
        flags: further flags of the compiler.
    """
    headers = [_NATIVE / name for name in _HEADERS]
    try:
        path = build_library("sweep_step", [_NATIVE / "sweep_step.cpp"], ("-fopenmp", *flags), headers)
        library = _loaded(path)
    except (BuildError, OSError):  # NumPy gives the same but for rounding
        return None
    function = library.hssl_sweep_step_softmax if label_axes == 1 else library.hssl_sweep_step_sigmoid
    function.argtypes = [*[_NUMBER] * 4, *[_POINTER] * 3, ctypes.c_float, *[_POINTER] * 2]
    function.restype = None
    return partial(_step, function)


def _loaded(path: Path) -> ctypes.CDLL:
    """The library; if OpenMP comes with it, its threads sleep between steps, unless the user says otherwise.

    A step takes milliseconds, and threads that poll meanwhile took as much of the processor as the step.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}.isdisjoint(os.environ):
        return ctypes.CDLL(str(path))
    os.environ["GOMP_SPINCOUNT"] = "0"  # read when it is loaded
    try:
        return ctypes.CDLL(str(path))
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _step(
    function: Callable[..., None],
    features: np.ndarray,
    labels: np.ndarray,
    lrs: np.ndarray,
    momentum: float,
    weights: np.ndarray,
    velocity: np.ndarray,
) -> None:
    num_rates, num_classes, _ = weights.shape
    features = np.ascontiguousarray(features, np.float32)
    labels = np.ascontiguousarray(labels.T, np.int64 if labels.ndim == 1 else np.float32)
    given = (array.ctypes.data for array in (features, labels, lrs))
    changed = (array.ctypes.data for array in (weights, velocity))
    function(num_rates, num_classes, features.shape[1], len(features), *given, momentum, *changed)
