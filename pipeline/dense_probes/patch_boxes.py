"""Computes boxes in the image from marked patches.

Shapes: H x W pixels, h x w patches. Boxes are x1, y1, x2, y2 in pixels, continuous.
"""

import numpy as np
from scipy import ndimage


def component_of(marked: np.ndarray, seed: int) -> np.ndarray:
    """The 4-connected component of marked patches (h, w) that contains patch `seed`, as (h, w) bool.

    Raises:
        ValueError: the seed is not marked.
    """
    parts, _ = ndimage.label(marked)
    part = parts.ravel()[seed]
    if not part:
        raise ValueError(f"patch {seed} is not marked, so it is in no component")
    return parts == part


def box_around(marked: np.ndarray, height: int, width: int) -> np.ndarray:
    """The tight box (4,) float32 around marked patches (h, w) in an image of height x width pixels."""
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    x, y = width / marked.shape[1], height / marked.shape[0]
    return np.array(
        [columns[0] * x, rows[0] * y, (columns[-1] + 1) * x, (rows[-1] + 1) * y], dtype=np.float32
    )


def centered_box(side: float, height: int, width: int) -> np.ndarray:
    """The box (4,) float32 around the image's centre whose sides are `side` times the image's sides."""
    margin = (1 - side) / 2
    return np.array(
        [margin * width, margin * height, (1 - margin) * width, (1 - margin) * height], np.float32
    )
