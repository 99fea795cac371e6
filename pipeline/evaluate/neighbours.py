"""Exact nearest neighbours by cosine similarity, in bounded memory.

Shapes: Q queries, N bank rows, D channels, k neighbours.

Similarities are sums in float64, rounded to float32: the same on every processor. Products of rounded
numbers, of bfloat16 where the processor multiplies it, only say which rows cannot be among the nearest
(`neighbour_tiles`).

The bank is read in blocks. Each block consists of short runs of rows spread evenly over the whole bank: in a
bank sorted by class, blocks of consecutive rows could meet the true neighbours last and replace all earlier
ones each time.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.evaluate.neighbour_tiles import on_card as card
from pipeline.evaluate.neighbour_tiles.library import library
from pipeline.evaluate.neighbour_tiles.tile import Block, Tile

BLOCK_ROWS = 4096  # bank rows per block
TILE_QUERIES = 512  # queries per matrix product: 8 MiB of products per thread
RUN_ROWS = 32  # consecutive bank rows in a block
SLAB_BYTES = 64 * 2**20  # queries and their neighbours in memory at once
_CENTRE_ROWS = 1024  # bank rows whose mean is the centre


def nearest(
    queries: np.ndarray, bank: np.ndarray, k: int, *, num_threads: int = 1, on_card: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k most similar bank rows of every query.

    Args:
        queries: (Q, D), finite; need not be normalised; a zero row has similarity 0 with everything.
        bank: (N, D), likewise; may be memory-mapped, as it is read block by block.
        k: number of neighbours, at most N.
        on_card: search on the GPU that `on_card.prepare` has found, if k is not too large: with the same
            result.

    Returns:
        Cosine similarities (Q, k) float32, descending, and bank rows (Q, k) int64. Among equal similarities
            the lowest row comes first. For k <= 200 and D <= 1024, less than 256 MiB are used besides these.

    Raises:
        ValueError: shapes disagree, k is not in 1..N, or features are not finite.
        BuildError: the search cannot be compiled.
        CardSearchError: the GPU failed.
    """
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(f"queries {queries.shape} and bank {bank.shape} must be (Q, D) and (N, D)")
    if not 1 <= k <= len(bank) < 2**32:
        raise ValueError(f"k must be between 1 and the bank's {len(bank)} rows, got {k}")
    if on_card and k <= card.MOST_NEIGHBOURS:
        blocks = partial(_blocks, len(bank))
        return card.search(queries, bank, blocks, _centre(bank), k, num_threads=num_threads)
    similarities = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    # A query is held as it is, packed, and with its neighbours.
    slab = max(TILE_QUERIES, SLAB_BYTES // (8 * queries.shape[1] + 8 * k))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(queries), slab):
            end = min(start + slab, len(queries))
            starts = [*range(start, end, TILE_QUERIES), end]
            parts = [slice(*part) for part in pairwise(starts)]
            for part, found in zip(parts, _search(queries, parts, bank, k, pool), strict=True):
                similarities[part], rows[part] = found["similarity"], found["row"]
    return similarities, rows


def _search(
    queries: np.ndarray, parts: list[slice], bank: np.ndarray, k: int, pool: ThreadPoolExecutor
) -> Iterator[np.ndarray]:
    """The neighbours of each part of the queries, as `Tile.best` gives them."""
    functions, centre = library(), _centre(bank)
    tiles = list(pool.map(lambda part: Tile(queries[part], centre, k, functions), parts))
    held = threading.local()  # each thread's products

    def search(tile: Tile, block: Block) -> None:
        size = tile.num_queries * len(block.rows)
        if getattr(held, "products", None) is None or held.products.size < size:
            held.products = np.empty(size, np.float32)
        tile.search(block, held.products[:size].reshape(tile.num_queries, -1))

    for numbers in _blocks(len(bank), BLOCK_ROWS):
        block = Block(bank[numbers], numbers, centre, functions)
        list(pool.map(lambda tile, block=block: search(tile, block), tiles))
    return pool.map(Tile.best, tiles)


def _centre(bank: np.ndarray) -> np.ndarray:
    """Mean of some rows of length one, (D,) float32."""
    rows = np.asarray(bank[:: -(-len(bank) // _CENTRE_ROWS)], np.float64)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    used = (lengths > 0) & np.isfinite(lengths)
    return (rows[used] / lengths[used, None]).sum(axis=0).astype(np.float32) / np.float32(len(rows))


def _blocks(num_rows: int, of_block: int) -> Iterator[np.ndarray]:
    """Row numbers of each block, ascending: runs of RUN_ROWS rows, spread evenly over the bank."""
    num_blocks = -(-num_rows // of_block)
    runs = np.arange(0, num_rows, RUN_ROWS)
    for block in range(num_blocks):
        rows = (runs[block::num_blocks, None] + np.arange(RUN_ROWS)).ravel()
        rows = rows[rows < num_rows]
        if rows.size:
            yield rows
