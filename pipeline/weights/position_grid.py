"""Resampling of a learned position embedding to another grid of tokens, as a matrix."""

from functools import lru_cache

import numpy as np

_CUBIC = -0.75  # the kernel constant of PyTorch's and OpenCV's bicubic


@lru_cache(maxsize=32)
def grid_resampling(old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """The matrix R (h' w', h w) float32 with R @ embedding = bicubic resize from grid `old` to `new`.

    The sampling points follow from the sizes (half-pixel centres); equal grids give the identity.
    Deviation: DINO and iBOT pass a scale factor enlarged by 0.1 px, which shifts the points slightly.
    """
    rows, columns = _axis_weights(old[0], new[0]), _axis_weights(old[1], new[1])
    return np.kron(rows, columns).astype(np.float32)


def _axis_weights(old: int, new: int) -> np.ndarray:
    """(new, old) float64 cubic-convolution weights of one axis, edges repeated."""
    centers = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(centers).astype(int) - 1
    weights = np.zeros((new, old))
    for tap in range(4):
        index = first + tap
        np.add.at(weights, (np.arange(new), np.clip(index, 0, old - 1)), _cubic(np.abs(centers - index)))
    return weights


def _cubic(distance: np.ndarray) -> np.ndarray:
    a = _CUBIC
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
