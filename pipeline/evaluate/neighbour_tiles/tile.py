"""Blocks of a bank and tiles of queries, with the bound on what rounding can change.

Shapes: q queries of a tile, n rows of a block, D channels, k neighbours.
"""

import ctypes
from functools import cached_property

import numpy as np

from pipeline.evaluate.neighbour_tiles import library as compiled
from pipeline.evaluate.neighbour_tiles.library import Library

_QUERIES_IN_DOUBLE = 128  # of one product in float64: 4 MiB for 4096 rows
_ROUNDING = 2.0**-21  # share of an estimate that is lost at most where it is added up and compared
_LEAST_ERROR = 1e-12  # more than sums of products in float64, of up to 4096 channels, are off
FOUND = np.dtype([("similarity", np.float32), ("row", np.uint32)])
_NOTHING = np.array((-np.inf, 2**32 - 1), FOUND)


class Packed:
    """Rows of length one less the centre, rounded, and the lengths that the bound needs.

    Args:
        rows: (n, D) finite.
        centre: (D,) float32. What it is changes no neighbour: the nearer to the rows, the less is rounded.

    Raises:
        ValueError: a row is not finite.
    """

    def __init__(self, rows: np.ndarray, centre: np.ndarray, library: Library):
        self.rows = np.ascontiguousarray(rows, np.float32)
        count, channels = self.rows.shape
        self.factors = np.empty((count, channels), library.factor)
        self.norms, self.offsets, sizes = np.empty(count), np.empty(count), np.empty((count, 3))
        pointers = (each.ctypes.data for each in (self.factors, self.norms, self.offsets, sizes))
        data, middle = self.rows.ctypes.data, centre.ctypes.data
        library.pack(data, count, channels, middle, library.bfloat16, *pointers)
        if not np.isfinite(self.norms).all():
            raise ValueError("the features are not finite")
        self.rounded, self.centred, self.rest = sizes.T

    def units(self, chosen: np.ndarray | slice) -> np.ndarray:
        """Rows of length one, float64; a zero row stays zero."""
        norms = self.norms[chosen, None]
        return self.rows[chosen] / np.where(norms > 0, norms, 1)


class Block(Packed):
    """Rows of the bank, with their numbers (n,), ascending."""

    def __init__(self, rows: np.ndarray, numbers: np.ndarray, centre: np.ndarray, library: Library):
        super().__init__(rows, centre, library)
        self._arrays = (self.rows, self.norms, self.offsets.astype(np.float32), numbers.astype(np.uint32))
        self.struct = compiled.Block(*(each.ctypes.data for each in self._arrays), len(numbers))
        self.largest = self.rounded.max(), self.rest.max(), np.abs(self.offsets).max()

    @cached_property
    def all_units(self) -> np.ndarray:
        """Rows of length one, (n, D) float64."""
        return self.units(slice(None))


class Tile:
    """Some queries, and their k best rows so far.

    Args:
        queries: (q, D) finite.
        centre: (D,), that of the blocks.
    """

    def __init__(self, queries: np.ndarray, centre: np.ndarray, k: int, library: Library):
        self._library, self._packed = library, Packed(queries, centre, library)
        self.shifts = self._packed.offsets + np.square(centre, dtype=np.float64).sum()
        self._best = np.full((len(queries), k), _NOTHING)
        self._crowded_blocks = 0  # in a row
        arrays = self._packed.rows, self._packed.norms, self.shifts, self._best
        self._struct = compiled.Queries(*(each.ctypes.data for each in arrays), *queries.shape, k)

    @property
    def num_queries(self) -> int:
        return len(self._best)

    def search(self, block: Block, products: np.ndarray) -> None:
        """Take the best rows of a block.

        Rows whose estimate is below the k-th best similarity by more than `errors` are left out. Where more
        than a thirty-second of the rows, and more than 2 k, cannot be, because the network has collapsed to a
        few vectors, a product in float64 tells more. It takes as long as two of float32, or four of bfloat16:
        if most queries need it for block after block, estimates are computed for every eighth block only.

        Args:
            products: (q, n) float32, overwritten.
        """
        if self._crowded_blocks < 2 or self._crowded_blocks % 8 == 0:
            crowded = self._search_estimates(block, products)
        else:
            crowded = np.arange(self.num_queries)
        self._crowded_blocks = self._crowded_blocks + 1 if 2 * len(crowded) > self.num_queries else 0
        for first in range(0, len(crowded), _QUERIES_IN_DOUBLE):
            chosen = crowded[first : first + _QUERIES_IN_DOUBLE]
            doubles = self._packed.units(chosen) @ block.all_units.T
            self._library.scan_double(
                *self._pointers(block), doubles.ctypes.data, _LEAST_ERROR, chosen.ctypes.data, len(chosen)
            )

    def _search_estimates(self, block: Block, products: np.ndarray) -> np.ndarray:
        """Take the best rows; the queries (c,) int64 for which too few rows could be left out."""
        self._library.multiply(self._packed.factors, block.factors, products)
        errors, crowded = self.errors(block), np.empty(self.num_queries, np.int64)
        arrays = (each.ctypes.data for each in (products, errors, crowded))
        return crowded[: self._library.scan(*self._pointers(block), *arrays)]

    def errors(self, block: Block) -> np.ndarray:
        """By how much estimates of this block can differ from similarities at most, (q,) float64.

        With queries q and rows b of length one, the centre m, and rounded q' of q - m and b' of b - m,
        q.b = q.m + m.(b - m) + q'.b' + (q - m - q').b' + (q - m).(b - m - b'). The first three, the shift,
        the offset and the product, are the estimate; by Cauchy and Schwarz the others are at most
        |q - m - q'| |b'| + |q - m| |b - m - b'|. A float32 sum of D products is off by D 2^-24 |q'| |b'| at
        most; twice that is allowed, and as much for what else rounds.
        """
        query, (rounded, rest, offset) = self._packed, block.largest
        errors = query.rest * rounded + query.centred * rest
        errors += query.rounded * rounded * (query.rows.shape[1] + 4) * 2.0**-23
        errors += _ROUNDING * (query.rounded * rounded + offset)
        return errors * (1 + 1e-5) + _LEAST_ERROR

    def _pointers(self, block: Block) -> tuple:
        return ctypes.byref(self._struct), ctypes.byref(block.struct)

    def best(self) -> np.ndarray:
        """The best rows (q, k) of type FOUND, in descending order; afterwards nothing can be searched."""
        self._library.sort(ctypes.byref(self._struct))
        return self._best
