"""The compiled search of a tile: scan.cpp, and product.cpp where it is faster than NumPy's product.

All of it runs without the interpreter lock.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.native.build import build_library
from pipeline.runtime.onednn import onednn_paths
from pipeline.runtime.processor import multiplies_bfloat16

_FOLDER = Path(__file__).resolve().parent
_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_long


class Queries(ctypes.Structure):
    """The C++ struct Queries."""

    _fields_ = [
        *((name, _POINTER) for name in ("rows", "norms", "shifts", "best")),
        *((name, _NUMBER) for name in ("num_queries", "channels", "k")),
    ]


class Block(ctypes.Structure):
    """The C++ struct Block."""

    _fields_ = [
        *((name, _POINTER) for name in ("rows", "norms", "offsets", "numbers")),
        ("num_rows", _NUMBER),
    ]


class Library:
    """The compiled functions.

    Args:
        bfloat16: whether oneDNN multiplies factors rounded to bfloat16, or else NumPy those of float32.
        flags: further flags of the compiler.
    """

    def __init__(self, *, bfloat16: bool, flags: tuple[str, ...] = ()):
        scan = ctypes.CDLL(str(build_library("neighbour_scan", [_FOLDER / "scan.cpp"], flags)))
        names = ("pack", "scan", "scan_double", "sort")
        self.pack, self.scan, self.scan_double, self.sort = (
            getattr(scan, f"hssl_neighbours_{name}") for name in names
        )
        self.pack.argtypes = [_POINTER, _NUMBER, _NUMBER, _POINTER, _NUMBER, *[_POINTER] * 4]
        self.pack.restype = None
        self.scan.argtypes, self.scan.restype = [_POINTER] * 5, _NUMBER
        self.scan_double.argtypes = [*[_POINTER] * 3, ctypes.c_double, _POINTER, _NUMBER]
        self.scan_double.restype = None
        self.sort.argtypes, self.sort.restype = [_POINTER], None
        self.bfloat16 = bfloat16
        self._multiply = _bfloat16_product() if bfloat16 else None

    @property
    def factor(self) -> type[np.generic]:
        """Type of packed numbers; bfloat16 as its bits."""
        return np.uint16 if self.bfloat16 else np.float32

    def multiply(self, queries: np.ndarray, rows: np.ndarray, products: np.ndarray) -> None:
        """Write the products (q, n) float32 of packed queries (q, D) and rows (n, D), one thread's work.

        Raises:
            RuntimeError: oneDNN failed.
        """
        if self._multiply is None:
            np.matmul(queries, rows.T, out=products)
            return
        status = self._multiply(
            queries.ctypes.data, rows.ctypes.data, len(queries), *rows.shape, products.ctypes.data
        )
        if status:
            raise RuntimeError(f"oneDNN's matrix product failed with status {status}")


def _bfloat16_product() -> Callable[..., int]:
    include, shared = onednn_paths()
    flags = ("-fopenmp", f"-I{include}", str(shared), f"-Wl,-rpath,{shared.parent}")
    path = build_library("neighbour_product", [_FOLDER / "product.cpp"], flags)
    multiply = ctypes.CDLL(str(path)).hssl_neighbours_multiply
    multiply.argtypes, multiply.restype = [_POINTER, _POINTER, *[_NUMBER] * 3, _POINTER], ctypes.c_int
    return multiply


@cache
def library() -> Library:
    """The library for this processor, compiled first if necessary.

    Raises:
        BuildError: it cannot be compiled here.
        OSError: it cannot be loaded.
    """
    return Library(bfloat16=multiplies_bfloat16() and onednn_paths() is not None)
