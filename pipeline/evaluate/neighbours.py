"""Exact nearest neighbours by cosine similarity, in bounded memory.

Shapes: Q queries, N bank rows, D channels, k neighbours.

Similarities are sums in float64, rounded to float32: the same on every processor. A product of rounded
numbers, bfloat16 where the processor multiplies them, only says which rows cannot be among the nearest: what
rounding may have changed is bounded, and whatever could be one of them is summed again. So they are exact.

The bank is read in blocks. Each block consists of short runs of rows spread evenly over the whole bank: in a
bank sorted by class, blocks of consecutive rows could meet the true neighbours last and replace all earlier
ones each time.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.evaluate.neighbour_library import Bank, Block, Tile, capacity_of, library

BLOCK_ROWS = 4096  # bank rows per block
TILE_QUERIES = 240  # queries that one thread searches a block for
RUN_ROWS = 32  # consecutive bank rows in a block
SLAB_BYTES = 64 * 2**20  # queries and their candidates that are held at once
_CENTRE_ROWS = 1024  # bank rows whose mean is the centre


def nearest(
    queries: np.ndarray, bank: np.ndarray, k: int, *, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k most similar bank rows of every query.

    Args:
        queries: (Q, D), finite; need not be normalised; a zero row has similarity 0 with everything.
        bank: (N, D), likewise; of float32 or float16 it may be memory-mapped, as it is read block by block.
        k: number of neighbours, at most N.

    Returns:
        Cosine similarities (Q, k) float32, descending, and bank rows (Q, k) int64. Among equal similarities
            the lowest row comes first. For k <= 200 and D <= 1024, less than 256 MiB are used besides these.

    Raises:
        ValueError: shapes disagree, or k is not in 1..N.
    """
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ValueError(f"queries {queries.shape} and bank {bank.shape} must be (Q, D) and (N, D)")
    if not 1 <= k <= len(bank) < 2**32:
        raise ValueError(f"k must be between 1 and the bank's {len(bank)} rows, got {k}")
    similarities = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    searched = Bank(_plain(bank), _centre(bank), library())
    slab = max(TILE_QUERIES, SLAB_BYTES // (8 * queries.shape[1] + 8 * capacity_of(k)))
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(queries), slab):
            end = min(start + slab, len(queries))
            parts = [slice(at, min(at + TILE_QUERIES, end)) for at in range(start, end, TILE_QUERIES)]
            tiles = list(pool.map(lambda part: Tile(queries[part], searched, k), parts))
            for block in _packed(searched, pool):
                list(pool.map(lambda tile, block=block: tile.search(block), tiles))
            list(pool.map(lambda tile, part: tile.best(similarities[part], rows[part]), tiles, parts))
    return similarities, rows


def _plain(rows: np.ndarray) -> np.ndarray:
    """Rows of float32 or float16 with channels beside each other: these rows, or a copy."""
    beside = rows.shape[1] < 2 or rows.strides[1] == rows.itemsize
    if rows.dtype in (np.float32, np.float16) and beside:
        return rows
    return np.ascontiguousarray(rows, np.float32)


def _centre(bank: np.ndarray) -> np.ndarray:
    """Mean of some rows of length one, (D,) float32."""
    rows = np.array(bank[:: -(-len(bank) // _CENTRE_ROWS)], np.float64)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return (rows / np.where(lengths > 0, lengths, 1)[:, None]).mean(axis=0).astype(np.float32)


def _packed(bank: Bank, pool: ThreadPoolExecutor) -> Iterator[Block]:
    """Each block; the next is packed while one is searched."""
    ahead = None
    for numbers in _blocks(len(bank.rows)):
        block, ahead = ahead, pool.submit(bank.pack, numbers)
        if block:
            yield block.result()
    yield ahead.result()


def _blocks(num_rows: int) -> Iterator[np.ndarray]:
    """Row numbers of each block, ascending: runs of RUN_ROWS rows, spread evenly over the bank."""
    num_blocks = -(-num_rows // BLOCK_ROWS)
    runs = np.arange(0, num_rows, RUN_ROWS)
    for block in range(num_blocks):
        rows = (runs[block::num_blocks, None] + np.arange(RUN_ROWS)).ravel()
        rows = rows[rows < num_rows]
        if rows.size:
            yield rows.astype(np.uint32)
