"""The compiled search of `neighbours`: native/neighbours.cpp, which runs without the interpreter lock.

Shapes: Q queries, n rows of a block, D channels, k neighbours.
"""

import ctypes
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.native.build import build_library

_NATIVE = Path(__file__).resolve().parent.parent / "native"
_ROUNDING = 2.0**-21  # share of an estimate that is lost at most where it is added up and compared
_EQUAL = 1.001 * 2.0**-23  # similarities that float32 rounds to the same number differ by less


class _Rows(ctypes.Structure):
    """The C++ struct Rows: float32 or float16 numbers, channels beside each other."""

    _fields_ = [("data", ctypes.c_void_p), ("stride", ctypes.c_long), ("half", ctypes.c_long)]

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Rows":
        return cls(rows.__array_interface__["data"][0], rows.strides[0], rows.dtype == np.float16)


class _Search(ctypes.Structure):
    """The C++ struct Search."""

    _fields_ = [
        ("bank", _Rows),
        *((name, ctypes.c_void_p) for name in (
            "bank_norms", "queries", "query_norms", "query_shifts", "packed_queries", "margins", "lowest",
            "counts", "candidates",
        )),
        *((name, ctypes.c_long) for name in ("num_queries", "channels", "k", "capacity")),
    ]  # fmt: skip


class Library:
    """The compiled library, and in which groups it packs queries and rows.

    Args:
        flags: further flags of the compiler.
    """

    def __init__(self, flags: tuple[str, ...] = ()):
        sources, headers = [_NATIVE / "neighbours.cpp"], [_NATIVE / "neighbour_tile.h"]
        self.functions = ctypes.CDLL(str(build_library("neighbours", sources, flags, depends=headers)))
        pointer, number = ctypes.c_void_p, ctypes.c_long
        self.functions.hssl_neighbours_pack.argtypes = (
            [pointer] * 2 + [number] * 2 + [pointer, number] + [pointer] * 4
        )
        self.functions.hssl_neighbours_search.argtypes = [pointer] * 4 + [number]
        self.functions.hssl_neighbours_best.argtypes = [pointer] * 3
        for name in ("pack", "search", "best"):
            getattr(self.functions, f"hssl_neighbours_{name}").restype = None
        shape = np.empty(4, np.int64)
        self.functions.hssl_neighbours_shape(shape.ctypes.data_as(pointer))
        self.group_queries, self.group_rows, self.at_once, self.element_bytes = shape.tolist()


@cache
def library() -> Library:
    """The library for this processor, compiled first if necessary.

    Raises:
        BuildError: it cannot be compiled here. OSError: it cannot be loaded.
    """
    return Library()


class Bank:
    """Rows that are searched, and the centre that is taken off them before they are rounded.

    Args:
        rows: (N, D) float32 or float16, channels beside each other; may be memory-mapped.
        centre: (D,) float32. What it is changes no neighbour: the nearer to the rows, the less is rounded.
    """

    def __init__(self, rows: np.ndarray, centre: np.ndarray, library: Library):
        self.rows, self.centre, self.library = rows, centre, library
        self.norms = np.empty(len(rows))

    def pack(self, numbers: np.ndarray) -> "Block":
        """The rows of these numbers (n,) uint32."""
        return Block(self.library, self.rows, self.centre, numbers, self.library.group_rows, self.norms)


class Block:
    """Packed rows, with the lengths that the bound on a product's error needs."""

    def __init__(self, library: Library, rows, centre, numbers, group: int, norms: np.ndarray):
        count, channels = len(norms) if numbers is None else len(numbers), rows.shape[1]
        places = -(-count // group) * group
        width = -(-channels // library.at_once) * library.at_once
        self.packed = np.empty(places * width * library.element_bytes, np.uint8)
        self.count, self.numbers = count, np.zeros(places, np.uint32)
        offsets, sizes = np.full(places, -np.inf), np.empty((count, 3))
        if numbers is not None:
            self.numbers[:count] = numbers
        chosen = None if numbers is None else self.numbers.ctypes.data
        arrays = (each.ctypes.data for each in (self.packed, norms, offsets, sizes))
        library.functions.hssl_neighbours_pack(
            ctypes.byref(_Rows.of(rows)), chosen, count, channels, centre.ctypes.data, group, *arrays
        )
        self.exact_offsets, self.offsets = offsets[:count], offsets.astype(np.float32)
        self.rounded, self.centred, self.rest = sizes.T


class Tile:
    """Some queries, and their candidates so far.

    Args:
        queries: (Q, D), as the bank's rows.
        k: number of neighbours.
    """

    def __init__(self, queries: np.ndarray, bank: Bank, k: int):
        self._channels, self._functions = queries.shape[1], bank.library.functions
        queries = self._queries = np.ascontiguousarray(queries, np.float32)
        num_queries, channels = queries.shape
        self._norms, capacity = np.empty(num_queries), capacity_of(k)
        self._packed = Block(
            bank.library, queries, bank.centre, None, bank.library.group_queries, self._norms
        )
        self._shifts = self._packed.exact_offsets + np.square(bank.centre, dtype=np.float64).sum()
        self._margins = np.empty(num_queries, np.float32)
        self._lowest = np.full(num_queries, np.finfo(np.float32).min, np.float32)
        self._counts = np.zeros(num_queries, np.int64)
        self._candidates = np.empty((num_queries, capacity), np.int64)
        self._largest = np.zeros(3)  # of the rows so far: rounded, rest, offset
        self._bank = bank
        arrays = (
            bank.norms, queries, self._norms, self._shifts, self._packed.packed, self._margins, self._lowest,
            self._counts, self._candidates,
        )  # fmt: skip
        pointers = [each.__array_interface__["data"][0] for each in arrays]
        self._search = _Search(_Rows.of(bank.rows), *pointers, num_queries, channels, k, capacity)

    def search(self, block: Block) -> None:
        """Take the candidates among a block's rows.

        With queries q and rows b of length one, the centre m, and rounded q' of q - m and b' of b - m,
        q.b - q.m = q'.b' + m.(b - m) + (q - m - q').b' + (q - m).(b - m - b'). The first two are computed; by
        Cauchy and Schwarz the others are at most |q - m - q'| |b'| + |q - m| |b - m - b'|. A float32 sum of D
        products is off by D 2^-24 |q'| |b'| at most; twice that is allowed, and as much for what else rounds.
        A row can be left out if its estimate is below the k-th best by more than twice the bound.
        """
        of_block = (block.rounded.max(), block.rest.max(), np.abs(block.exact_offsets).max())
        rounded, rest, offset = np.maximum(self._largest, of_block, out=self._largest)
        query = self._packed
        bound = query.rest * rounded + query.centred * rest
        bound += query.rounded * rounded * (self._channels + 4) * 2.0**-23
        bound += _ROUNDING * (query.rounded * rounded + offset)
        self._margins[:] = 2 * (1 + 1e-5) * bound + _EQUAL
        arrays = (each.ctypes.data for each in (block.packed, block.offsets, block.numbers))
        self._functions.hssl_neighbours_search(ctypes.byref(self._search), *arrays, block.count)

    def best(self, similarities: np.ndarray, rows: np.ndarray) -> None:
        """Write the similarities (Q, k) float32 and numbers (Q, k) int64 of the k best rows so far."""
        self._functions.hssl_neighbours_best(
            ctypes.byref(self._search), similarities.ctypes.data, rows.ctypes.data
        )


def capacity_of(k: int) -> int:
    """How many candidates of 8 bytes a query holds."""
    return 2 * k + 64
