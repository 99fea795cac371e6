"""Annotations of an image besides a class: a class per pixel, or objects."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as run_lengths

IGNORED = -1  # label of a pixel that is left out of training and of scores


@dataclass(frozen=True, eq=False)
class Objects:
    """The n objects of one image."""

    boxes: np.ndarray  # (n, 4) float32: x1, y1, x2, y2, pixels, continuous (width = x2 - x1)
    classes: np.ndarray  # (n,) int64, 0..K-1
    crowd: np.ndarray  # (n,) bool: a region of many objects; ignored as a target and in scores
    areas: np.ndarray  # (n,) float32, pixels, as annotated
    segments: tuple[dict[str, Any] | None, ...]  # COCO's compressed run lengths; None: only a box is known

    def masks(self, height: int, width: int) -> np.ndarray | None:
        """(n, height, width) bool; None if an object has no mask.

        Raises:
            ValueError: a mask has another size.
        """
        if any(segment is None for segment in self.segments):
            return None
        for segment in self.segments:
            if list(segment["size"]) != [height, width]:
                raise ValueError(f"expected masks of {height} x {width} pixels, found {segment['size']}")
        if not self.segments:
            return np.zeros((0, height, width), bool)
        return np.moveaxis(run_lengths.decode(list(self.segments)), -1, 0).astype(bool)
