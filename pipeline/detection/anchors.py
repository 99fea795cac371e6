"""Anchors: boxes of fixed shapes, laid out on the grid of a feature map."""

import numpy as np


def grid_anchors(grid: tuple[int, int], stride: float, scale: float, ratios: tuple[float, ...]) -> np.ndarray:
    """All anchors of one level.

    Args:
        grid: (h, w) of the feature map.
        stride: pixels of the image between neighbours of the map.
        scale: side of the square anchor, in strides; the others have its area.
        ratios: height over width, A of them.

    Returns:
        (h w A, 4) float32 in the order row, column, ratio. Anchor (row, column) is centred where the cell is,
        at ((column + 0.5) stride, (row + 0.5) stride); anchors may leave the image.

    Source:
        Faster R-CNN (Ren et al. 2015), section 3.1.1; centres as in mmdetection with center_offset 0.5.
    """
    height, width = grid
    root = np.sqrt(np.asarray(ratios, np.float64))
    half = 0.5 * scale * stride * np.stack([1 / root, root], axis=1)  # (A, 2): x, y
    x, y = (np.arange(width) + 0.5) * stride, (np.arange(height) + 0.5) * stride
    centers = np.stack(np.meshgrid(x, y), axis=-1)[:, :, None]  # (h, w, 1, 2)
    return np.concatenate([centers - half, centers + half], axis=-1).reshape(-1, 4).astype(np.float32)
