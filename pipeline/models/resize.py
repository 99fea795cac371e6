"""Bilinear resize and adaptive average pooling of feature maps, as a small matrix along each axis.

Jittor's own adaptive pooling has other bins than PyTorch's, and fails if the result is larger than the map.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import jittor as jt
import numpy as np

from pipeline import kernels


def resize(x: jt.Var, size: tuple[int, int]) -> jt.Var:
    """Bilinear resize with half-pixel centres, repeated edges, without antialiasing.

    Args:
        x: (B, C, H, W).
        size: (h, w) of the result.

    Returns:
        (B, C, h, w); x itself if it has this size.

    Source: PyTorch's `interpolate(mode="bilinear", align_corners=False)`, as mmseg's heads call it.
    """
    return _along_both(x, size, resize_matrix)


def stacked(maps: Sequence[jt.Var]) -> jt.Var:
    """Channels of all maps (B, C_i, H_i, W_i), resized to the first one's size: (B, sum of C_i, H_0, W_0)."""
    size = maps[0].shape[2:]
    return kernels.stack_resampled(maps, [_resizing(x.shape[2:], size) for x in maps])


def _resizing(old: Sequence[int], new: Sequence[int]) -> tuple[np.ndarray, np.ndarray] | None:
    if tuple(old) == tuple(new):
        return None
    return resize_matrix(old[0], new[0]), resize_matrix(old[1], new[1])


def adaptive_pool(x: jt.Var, size: tuple[int, int]) -> jt.Var:
    """Averages over a grid of bins; bins overlap if the size does not divide the map's, also if it is larger.

    Args:
        x: (B, C, H, W).
        size: (h, w) of the result; bin i of h covers rows floor(i H / h) to ceil((i + 1) H / h).

    Returns:
        (B, C, h, w).

    Source: PyTorch's `adaptive_avg_pool2d`.
    """
    return _along_both(x, size, pool_matrix)


@lru_cache(maxsize=256)
def resize_matrix(old: int, new: int) -> np.ndarray:
    """(new, old) float32, read-only: bilinear weights of one axis."""
    centers = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    distances = np.abs(centers[:, None] - np.arange(old))
    return _frozen(np.maximum(1 - distances, 0))


@lru_cache(maxsize=256)
def pool_matrix(old: int, new: int) -> np.ndarray:
    """(new, old) float32, read-only: weights of the averages over `new` bins of one axis."""
    bins, places = np.arange(new)[:, None], np.arange(old)
    inside = (places >= bins * old // new) & (places < -(-(bins + 1) * old // new))
    return _frozen(inside / inside.sum(axis=1, keepdims=True))


def _frozen(matrix: np.ndarray) -> np.ndarray:
    matrix = matrix.astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _along_both(x: jt.Var, size: tuple[int, int], matrix: Callable[[int, int], np.ndarray]) -> jt.Var:
    height, width = x.shape[2:]
    if (height, width) == tuple(size):
        return x
    return kernels.resample(x, matrix(height, size[0]), matrix(width, size[1]))
