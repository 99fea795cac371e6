"""Ground truth for class-agnostic probes: object boxes, and one foreground mask."""

import numpy as np

from pipeline.datasets.targets import Objects


def truth_boxes(objects: Objects) -> np.ndarray:
    """Ground-truth boxes (n, 4) float32 of all objects, without crowds."""
    return objects.boxes[~objects.crowd]


def foreground(objects: Objects, height: int, width: int) -> np.ndarray:
    """The union of all masks, crowds included, (height, width) bool; a box replaces a missing mask.

    A box covers the pixels whose centres are inside it.
    """
    masks = objects.masks(height, width)
    if masks is not None:
        return masks.any(axis=0)
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in np.rint(objects.boxes).astype(int).clip(0):
        covered[top:bottom, left:right] = True
    return covered
