"""Objects as the probes that know no classes see them: truth boxes, and one foreground."""

import numpy as np

from pipeline.datasets.targets import Objects


def truth_boxes(objects: Objects) -> np.ndarray:
    """(n, 4) float32: boxes of single objects; a crowd is none."""
    return objects.boxes[~objects.crowd]


def foreground(objects: Objects, height: int, width: int) -> np.ndarray:
    """(height, width) bool: the union of all masks, crowds included; of boxes where a mask is not known.

    A box covers the pixels whose centres lie in it.
    """
    masks = objects.masks(height, width)
    if masks is not None:
        return masks.any(axis=0)
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in np.rint(objects.boxes).astype(int).clip(0):
        covered[top:bottom, left:right] = True
    return covered
