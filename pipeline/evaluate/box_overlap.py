"""Areas, intersections and intersection over union of boxes.

A box is x1, y1, x2, y2 in pixels, continuous: its width is x2 - x1.
"""

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas (n,) of boxes (n, 4) in pixels; 0 if x2 < x1 or y2 < y1."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)


def intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Areas (n, m) of the intersections of boxes (n, 4) with boxes (m, 4), in pixels."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.maximum(width, 0) * np.maximum(height, 0)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union: (n, 4), (m, 4) -> (n, m) in [0, 1]; 0 between boxes without area."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
