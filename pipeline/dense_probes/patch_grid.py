"""Conversions between maps of pixels and the grid of patches that covers them.

Shapes: H x W pixels, h x w patches, K classes. A pixel belongs to the patch that contains its centre,
whatever the two sizes are.
"""

import numpy as np

from pipeline.datasets.targets import IGNORED

BLOCK_BYTES = 4 * 2**20  # upsampled scores in memory at once


def patch_of_pixels(height: int, width: int, grid: tuple[int, int]) -> np.ndarray:
    """Index of each pixel's patch, (H, W) int64 in 0..h w - 1, row by row."""
    rows, columns = _cells(height, grid[0]), _cells(width, grid[1])
    return rows[:, None] * grid[1] + columns


def patch_labels(label_map: np.ndarray, grid: tuple[int, int], num_classes: int) -> np.ndarray:
    """The most frequent class in each patch; the lowest class wins a tie.

    Args:
        label_map: (H, W) integers, 0..num_classes - 1 or IGNORED.

    Returns:
        (h, w) int64; IGNORED where more than half of the patch is ignored, or where it contains no pixel.
    """
    patches = patch_of_pixels(*label_map.shape, grid)
    num_patches = grid[0] * grid[1]
    known = label_map != IGNORED
    cells = patches[known] * num_classes + label_map[known]
    counts = np.bincount(cells, minlength=num_patches * num_classes).reshape(num_patches, num_classes)
    num_known, num_pixels = counts.sum(axis=1), np.bincount(patches.ravel(), minlength=num_patches)
    labels = np.where((2 * num_known >= num_pixels) & (num_known > 0), counts.argmax(axis=1), IGNORED)
    return labels.reshape(grid)


def pixel_classes(scores: np.ndarray, height: int, width: int) -> np.ndarray:
    """The class of highest score at every pixel; scores are interpolated bilinearly between patch centres.

    Args:
        scores: (h, w, K) float32, finite.

    Returns:
        (height, width) int64; the lowest class wins a tie. Memory is bounded for any K.
    """
    rows, columns = bilinear_weights(scores.shape[0], height), bilinear_weights(scores.shape[1], width)
    classes = np.empty((height, width), np.int64)
    block = max(1, BLOCK_BYTES // (4 * width * scores.shape[2]))
    for first in range(0, height, block):
        part = np.tensordot(rows[first : first + block], scores, axes=1)  # (block, w, K)
        classes[first : first + block] = (columns @ part).argmax(axis=2)
    return classes


def bilinear_weights(old: int, new: int) -> np.ndarray:
    """Weights (new, old) float32 of linear interpolation on one axis: half-pixel centres, repeated edges."""
    centers = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(centers[:, None] - np.arange(old))).astype(np.float32)


def _cells(size: int, parts: int) -> np.ndarray:
    """The index of the one of `parts` equal parts that contains each pixel's centre, (size,) int64."""
    return (2 * np.arange(size) + 1) * parts // (2 * size)
