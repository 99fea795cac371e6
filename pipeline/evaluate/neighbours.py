"""Exact nearest neighbours by cosine similarity, in bounded memory.

Shapes: Q queries, N bank rows, D channels, k neighbours.

The bank is read in blocks. Each block consists of short runs of rows spread evenly over the whole bank: in a
bank sorted by class, blocks of consecutive rows could meet the true neighbours last and replace all earlier
ones each time. A similarity and its bank row are packed into one integer that sorts by similarity, then by
lowest row, so selecting, merging and breaking ties are one partition of integers.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

BLOCK_ROWS = 4096  # bank rows per block
TILE_QUERIES = 512  # queries per matrix product: 8 MiB of similarities per thread
RUN_ROWS = 32  # consecutive bank rows in a block
SLAB_BYTES = 64 * 2**20  # queries and their neighbours in memory at once
EMPTY = np.iinfo(np.int64).min  # sorts below every similarity
ROW_MASK = np.int64(2**32 - 1)


def nearest(
    queries: np.ndarray, bank: np.ndarray, k: int, *, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k most similar bank rows of every query.

    Args:
        queries: (Q, D), finite; need not be normalised; a zero row has similarity 0 with everything.
        bank: (N, D), likewise; may be memory-mapped, as it is read block by block.
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
    slab = max(TILE_QUERIES, SLAB_BYTES // (4 * queries.shape[1] + 8 * k))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(queries), slab):
            part = slice(start, start + slab)
            keys = _nearest_keys(_normalized(queries[part]), bank, k, pool)
            similarities[part], rows[part] = _unpack(keys)
    return similarities, rows


def _nearest_keys(queries: np.ndarray, bank: np.ndarray, k: int, pool: ThreadPoolExecutor) -> np.ndarray:
    keys = np.full((len(queries), k), EMPTY)
    tiles = [slice(start, start + TILE_QUERIES) for start in range(0, len(queries), TILE_QUERIES)]
    for rows in _blocks(len(bank)):
        transposed = _normalized(bank[rows]).T

        def search(tile: slice, rows: np.ndarray = rows, transposed: np.ndarray = transposed) -> None:
            _merge(keys[tile], queries[tile] @ transposed, rows)

        list(pool.map(search, tiles))
    keys.sort(axis=1)
    return keys[:, ::-1]


def _blocks(num_rows: int) -> Iterator[np.ndarray]:
    """Row numbers of each block, ascending: runs of RUN_ROWS rows, spread evenly over the bank."""
    num_blocks = -(-num_rows // BLOCK_ROWS)
    runs = np.arange(0, num_rows, RUN_ROWS)
    for block in range(num_blocks):
        rows = (runs[block::num_blocks, None] + np.arange(RUN_ROWS)).ravel()
        rows = rows[rows < num_rows]
        if rows.size:
            yield rows


def _merge(keys: np.ndarray, similarities: np.ndarray, rows: np.ndarray) -> None:
    """Replace the (q, k) best keys by the best among them and a tile's (q, b) similarities."""
    k = keys.shape[1]
    threshold = _similarity(keys[:, 0])  # the partition put the lowest of the best there
    if keys[0, 0] == EMPTY:  # fewer than k rows so far, for all queries
        threshold = _lower_bound(similarities, k)
    flat = np.flatnonzero(similarities >= threshold[:, None])
    if not flat.size:
        return
    tile_rows, columns = np.divmod(flat, similarities.shape[1])
    counts = np.bincount(tile_rows, minlength=len(keys))
    offsets = np.arange(flat.size) - np.repeat(np.cumsum(counts) - counts, counts)
    merged = np.full((len(keys), k + counts.max()), EMPTY)
    merged[:, :k] = keys
    merged[tile_rows, k + offsets] = _pack(similarities.ravel()[flat], rows[columns])
    merged.partition(merged.shape[1] - k, axis=1)
    keys[:] = merged[:, -k:]


def _lower_bound(similarities: np.ndarray, k: int) -> np.ndarray:
    """For every row of (q, b), a value that at least k of its similarities reach, but not many more.

    Such a value is the k-th largest of the maxima of disjoint groups of columns, which is cheaper to find
    than the k-th largest similarity.
    """
    num_queries, width = similarities.shape
    per_group = width // (2 * k)
    if per_group < 2:
        return np.full(num_queries, -np.inf, np.float32)
    groups = width // per_group
    grouped = similarities[:, : groups * per_group].reshape(num_queries, per_group, groups)
    return np.partition(grouped.max(axis=1), groups - k, axis=1)[:, groups - k]


def _pack(similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pack each pair into one int64 that is larger for a higher similarity, then for a lower row."""
    bits = (similarities + np.float32(0)).view(np.int32)  # + 0: -0.0 and 0.0 are equal
    ordered = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
    return (ordered << 32) | (ROW_MASK - rows)


def _similarity(keys: np.ndarray) -> np.ndarray:
    ordered = (keys >> 32).astype(np.int32)
    return np.where(ordered < 0, ordered ^ np.int32(0x7FFFFFFF), ordered).view(np.float32)


def _unpack(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _similarity(keys), ROW_MASK - (keys & ROW_MASK)


def _normalized(features: np.ndarray) -> np.ndarray:
    """Rows scaled to length one, float32; a zero row stays zero."""
    features = np.array(features, np.float32, order="C")
    norms = np.sqrt(np.einsum("nd,nd->n", features, features))
    features /= np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
    return features
