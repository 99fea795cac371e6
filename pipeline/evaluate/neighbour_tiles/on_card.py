"""The search on a GPU: to the place the neighbours that `tile.py` finds on the processor.

The kernels are in native/cuda: neighbours.h says what is called. Their float64 sums have the order of
scan.cpp, so similarities are the same to the bit, whatever estimates have left out.

Shapes: Q queries, N bank rows, D channels, k neighbours.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.native.build import BuildError
from pipeline.native.cuda.build import build_device_library
from pipeline.runtime.cuda.used import remember
from pipeline.runtime.cuda.without_jittor import take_card

MOST_NEIGHBOURS = 1024  # more are found on the processor
QUERY_BYTES = 512 * 2**20  # on the device: queries with their neighbours that are searched for at once
BLOCK_BYTES = 24 * 2**20  # of a block of the bank in float32: two are on the device, and two pinned
BLOCK_ROWS = 16384
# Queries of one product. With BLOCK_ROWS, the products in bfloat16 take 32 MiB: less than large cards' second
# caches.
TILE_QUERIES = 1024
_STEP = 64  # rows of a block are a multiple of it
_LEAST_READ = 512  # rows that a thread reads at once
_POINTER = ctypes.c_void_p
_NOT_FINITE = 2  # as the library returns it


class CardSearchError(RuntimeError):
    """The GPU failed; the message says how."""


class _State:
    library: ctypes.CDLL | None = None


def prepare(runtime: RuntimeConfig, say: Callable[[str], None]) -> None:
    """Let this process search on the GPU of `runtime.device`; on the processor where there is none.

    Args:
        say: prints a line about a GPU that cannot be used.

    Raises:
        CudaUnavailable: `runtime.device` names a GPU that cannot be used.
    """
    setup = None if runtime.kernels == "plain" else take_card(runtime.device, say)
    if setup is None:
        return
    try:
        _State.library = ctypes.CDLL(str(build_device_library(setup.card.capability, setup.toolkit)))
    except (BuildError, OSError) as error:
        say(f"neighbours are searched on the processor: {error}")
    else:
        remember(setup)


def is_ready() -> bool:
    """Whether `prepare` has found a GPU."""
    return _State.library is not None


@dataclass(frozen=True)
class Sizes:
    """How a search is cut."""

    slab: int  # queries that are on the device at once; the bank is uploaded for each slab
    block: int  # bank rows
    tile: int  # queries of one product


def sizes(num_queries: int, num_bank: int, channels: int, k: int) -> Sizes:
    """Sizes with which a search takes less than 700 MiB of the GPU."""
    of_query = 4 * channels + 2 * (channels + 8) + 8 * k + 64
    fit = max(_STEP, QUERY_BYTES // of_query)
    of_block = max(_STEP, min(BLOCK_ROWS, BLOCK_BYTES // (4 * channels)) // _STEP * _STEP)
    slab = min(fit, num_queries)
    return Sizes(slab, min(of_block, -(-num_bank // _STEP) * _STEP), min(TILE_QUERIES, slab))


def search(
    queries: np.ndarray,
    bank: np.ndarray,
    blocks: Callable[[int], Iterable[np.ndarray]],
    centre: np.ndarray,
    k: int,
    *,
    num_threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities (Q, k) float32 and rows (Q, k) int64, as `neighbours.nearest` returns them.

    Args:
        queries: (Q, D).
        bank: (N, D); may be memory-mapped: each row is read, and uploaded, once for each slab of queries.
        blocks: from the number of rows of a block to the row numbers of each, ascending.
        centre: (D,) float32. What it is changes no neighbour.
        k: at most MOST_NEIGHBOURS.
        num_threads: that read the bank.

    Raises:
        CardSearchError: the GPU failed, or its memory is taken.
        ValueError: features are not finite.
    """
    similarities = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    cut = sizes(len(queries), len(bank), queries.shape[1], k)
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(queries), cut.slab):
            end = min(start + cut.slab, len(queries))
            with opened(cut, centre, k) as device:
                for first in range(start, end, cut.block):
                    part = queries[first : min(first + cut.block, end)]
                    device.rows(len(part))[:] = part
                    device.add_queries(len(part))
                for numbers in blocks(cut.block):
                    _read(bank, numbers, device.rows(len(numbers)), pool, num_threads)
                    device.search(numbers)
                similarities[start:end], rows[start:end] = device.best()
    return similarities, rows


def _read(
    array: np.ndarray, numbers: np.ndarray, to: np.ndarray, pool: ThreadPoolExecutor, num_threads: int
) -> None:
    """Read rows by their numbers with several threads."""

    def read(part: np.ndarray) -> None:
        to[part] = array[numbers[part]]

    size = max(_LEAST_READ, -(-len(numbers) // num_threads))
    list(pool.map(read, [slice(first, first + size) for first in range(0, len(numbers), size)]))


class Device:
    """A search of the library; what it holds is freed by `close`."""

    def __init__(self, cut: Sizes, centre: np.ndarray, k: int):
        self._k, self._channels, self._num_queries, self._turn = k, len(centre), 0, 0
        centre = np.ascontiguousarray(centre, np.float32)
        self._search = self._call(
            "open", _POINTER, self._channels, k, cut.slab, cut.block, cut.tile, centre.ctypes.data
        )
        if not self._search:
            raise self._error()

    def rows(self, count: int) -> np.ndarray:
        """Pinned memory (count, D) float32, for the next rows; waits until it is free."""
        address = self._call("rows", _POINTER, self._search, self._turn)
        return _array_at(self._checked(address), ctypes.c_float, (count, self._channels))

    def add_queries(self, count: int) -> None:
        """The rows are further queries."""
        self._check(self._call("add_queries", ctypes.c_int, self._search, self._turn, count))
        self._num_queries += count
        self._turn = 1 - self._turn

    def search(self, numbers: np.ndarray) -> None:
        """The rows are a block of the bank, with these numbers (n,)."""
        address = self._call("numbers", _POINTER, self._search, self._turn)
        _array_at(self._checked(address), ctypes.c_uint32, numbers.shape)[:] = numbers
        self._check(self._call("search", ctypes.c_int, self._search, self._turn, len(numbers)))
        self._turn = 1 - self._turn

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Similarities (Q, k) float32 and rows (Q, k) of the queries that were added."""
        keys = np.empty((self._num_queries, self._k), np.uint64)
        self._check(self._call("best", ctypes.c_int, self._search, keys.ctypes.data))
        high = (keys >> np.uint64(32)).astype(np.uint32)
        bits = np.where(high >> 31, high & np.uint32(0x7FFFFFFF), ~high)
        return bits.view(np.float32), ~keys.astype(np.uint32)

    def num_summed(self) -> int:
        """Bank rows that were summed in float64, for all queries together."""
        count = self._call("summed", ctypes.c_long, self._search)
        if count < 0:
            raise self._error()
        return count

    def close(self) -> None:
        """Free the memory."""
        self._call("close", None, self._search)

    def _call(self, name: str, result: Any, *arguments: int) -> Any:
        function = getattr(_State.library, f"hssl_device_neighbours_{name}")
        function.restype = result
        # Addresses are as wide as long here, and all that is passed is one or the other.
        function.argtypes = [ctypes.c_long] * len(arguments)
        return function(*arguments)

    def _checked(self, address: int | None) -> int:
        if not address:
            raise self._error()
        return address

    def _check(self, status: int) -> None:
        if status == _NOT_FINITE:
            raise ValueError("the features are not finite")
        if status:
            raise self._error()

    def _error(self) -> CardSearchError:
        reason = self._call("problem", ctypes.c_char_p).decode(errors="replace")
        return CardSearchError(
            f"the search for neighbours on the GPU: {reason} (runtime.device: 'cpu' does without)"
        )


@contextmanager
def opened(cut: Sizes, centre: np.ndarray, k: int) -> Iterator[Device]:
    """A search on the device, closed at the end."""
    device = Device(cut, centre, k)
    try:
        yield device
    finally:
        device.close()


def _array_at(address: int, kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(kind)), shape)
