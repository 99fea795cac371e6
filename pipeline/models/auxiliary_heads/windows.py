"""Cuts a map into attention windows, as index arrays."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, eq=False)
class Windows:
    """W windows of m slots each, over a map of N = h w patches.

    If windows do not divide the map, the last ones have slots outside of it. These hold any patch: as keys
    they are not allowed, and as queries they are not used.
    """

    patches: np.ndarray  # (W, m) int32, the patch in each slot
    slots: np.ndarray  # (N,) int32, the slot of each patch, counted through all windows
    allowed: np.ndarray  # (W, m, m) bool, [window, query, key]
    rows: np.ndarray  # (m, m) int, rows from key to query
    columns: np.ndarray  # (m, m) int, columns from key to query


@dataclass(frozen=True, eq=False)
class _Axis:
    positions: np.ndarray  # (windows, side): position on the map; outside if it is >= the map's length
    labels: np.ndarray  # (windows, side): equal for slots that may attend to each other


@lru_cache(maxsize=64)
def windows(grid: tuple[int, int], size: int, shift: int) -> Windows:
    """Cut a map into windows of size x size patches, shifted by `shift` patches down and right.

    A window is never larger than the map. There is no shift along an axis that one window covers. Shifted
    windows that the edge cuts off share one window with those at the opposite edge, but do not attend to each
    other.

    Source: Liu et al. 2021 (Swin), cyclic shift. Deviation: slots outside the map are masked, instead of
    zeros that attract attention.
    """
    y, x = _axis(grid[0], size, shift), _axis(grid[1], size, shift)

    def in_slots(of_rows: np.ndarray, of_columns: np.ndarray) -> list[np.ndarray]:
        """Both broadcast to (window row, window column, row, column) and flattened to (W, m)."""
        shape = (len(of_rows), len(of_columns), of_rows.shape[1], of_columns.shape[1])
        both = of_rows[:, None, :, None], of_columns[None, :, None, :]
        return [np.broadcast_to(a, shape).reshape(shape[0] * shape[1], -1) for a in both]

    row, column = in_slots(y.positions, x.positions)
    on_map = (row < grid[0]) & (column < grid[1])
    patches = np.where(on_map, row * grid[1] + column, 0).astype(np.int32)
    slots = np.empty(grid[0] * grid[1], np.int32)
    slots[patches[on_map]] = np.flatnonzero(on_map)
    allowed = on_map[:, None, :]
    for label in in_slots(y.labels, x.labels):
        allowed = allowed & (label[:, :, None] == label[:, None, :])
    place = np.indices((y.positions.shape[1], x.positions.shape[1])).reshape(2, -1)
    rows, columns = place[:, :, None] - place[:, None, :]
    return Windows(patches=patches, slots=slots, allowed=allowed, rows=rows, columns=columns)


def _axis(length: int, size: int, shift: int) -> _Axis:
    side = min(size, length)
    shift = shift if side < length else 0
    padded = -(-length // side) * side
    positions = ((np.arange(padded) + shift) % padded).reshape(-1, side)
    return _Axis(positions=positions, labels=(positions - shift) // side)
