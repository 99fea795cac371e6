"""Selects the proposals that the region proposal network scores highest, in NumPy.

Shapes: N anchors of an image, in the order level, row, column, ratio.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.detection.anchors import grid_anchors
from pipeline.detection.boxes import clipped, decode
from pipeline.detection.nms import nms
from pipeline.detection.sizes import RPN_NMS_IOU, RPN_STDS


@dataclass(frozen=True, eq=False)
class Anchors:
    """The anchors of images of one size."""

    boxes: np.ndarray  # (N, 4) float32, pixels
    ends: np.ndarray  # (levels + 1,): level i is ends[i] .. ends[i + 1] - 1

    def centered_inside(self, height: float, width: float) -> np.ndarray:
        """(N,) bool: whether the centre is in the image, not in its padding."""
        x, y = (self.boxes[:, :2] + self.boxes[:, 2:]).T / 2
        return (x < width) & (y < height)

    def inside(self, height: float, width: float) -> np.ndarray:
        """(N,) bool: whether the whole anchor is in the image."""
        x1, y1, x2, y2 = self.boxes.T
        return (x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height)


@lru_cache(maxsize=32)  # few sizes of images recur
def anchors_of_levels(
    sizes: tuple[tuple[int, int], ...], strides: tuple[float, ...], scale: float, ratios: tuple[float, ...]
) -> Anchors:
    """The anchors of levels of these heights and widths; for the other arguments see `grid_anchors`."""
    levels = [grid_anchors(size, stride, scale, ratios) for size, stride in zip(sizes, strides, strict=True)]
    ends = np.cumsum([0, *map(len, levels)])
    return Anchors(np.concatenate(levels), ends)


def proposals(
    outputs: np.ndarray,
    anchors: Anchors,
    size: tuple[int, int],
    *,
    num_per_level: int,
    num_proposals: int,
) -> np.ndarray:
    """Proposals of one image: the best boxes of each level after suppression, then the best of all levels.

    Args:
        outputs: (N, 5) float32: logit of an object, and deltas.
        size: (height, width) of the image without padding; boxes are clipped to it.

    Returns:
        (n, 4) float32, at most `num_proposals`, by descending score.

    Source: mmdetection's RPN; in each level, boxes that overlap a better one by more than 0.7 are removed.
    """
    scores = outputs[:, 0]
    best = [
        start + _highest(scores[start:end], num_per_level)
        for start, end in zip(anchors.ends[:-1], anchors.ends[1:], strict=True)
    ]
    levels = np.repeat(np.arange(len(best)), [len(rows) for rows in best])
    rows = np.concatenate(best)
    boxes = clipped(decode(outputs[rows, 1:], anchors.boxes[rows], RPN_STDS), *size)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, rows, levels = boxes[solid], rows[solid], levels[solid]
    kept = nms(boxes, scores[rows], RPN_NMS_IOU, classes=levels)[:num_proposals]
    return boxes[kept]


def _highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the highest scores, descending; among equal ones the first."""
    if len(scores) > count:
        # First everything that could be among them; a full sort would take most of the time.
        threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
