"""Selects the proposals that the region proposal network scores highest.

Shapes: B images, N anchors of an image, in the order level, row, column, ratio.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from pipeline.detection.anchors import grid_anchors
from pipeline.detection.box_library import function_of_boxes
from pipeline.detection.boxes import clipped, decode
from pipeline.detection.nms import kept_of_groups
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
    places: np.ndarray,
    anchors: Anchors,
    sizes: np.ndarray,
    *,
    num_per_level: int,
    num_proposals: int,
) -> list[np.ndarray]:
    """Proposals of each image: the best boxes of a level after suppression, then the best of all levels.

    Args:
        outputs: (., 5) float32: logit of an object, and deltas.
        places: (B, N), rows of the outputs that belong to an image's anchors.
        sizes: (B, 2), height and width of the images without padding; boxes are clipped to them.

    Returns:
        B of (n, 4) float32, at most `num_proposals`, by descending score.

    Source: mmdetection's RPN; in each level, boxes that overlap a better one by more than 0.7 are removed.
    """
    num_images, num_anchors = places.shape
    num_levels = len(anchors.ends) - 1
    ends = (np.arange(num_images)[:, None] * num_anchors + anchors.ends[1:]).reshape(-1)
    found, counts = _highest(outputs, places.reshape(-1), ends, num_per_level)
    groups = np.repeat(np.arange(len(ends)), counts)  # image by image, level by level
    images = groups // num_levels
    rows = outputs[places.reshape(-1)[found]]
    boxes = decode(rows[:, 1:], anchors.boxes[found % num_anchors], RPN_STDS)
    boxes = clipped(boxes, *sizes[images].T)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores, groups, images = boxes[solid], rows[solid, 0], groups[solid], images[solid]
    ends = np.cumsum(np.bincount(groups, minlength=len(ends)))
    kept = np.flatnonzero(kept_of_groups(boxes.astype(np.float64), ends, RPN_NMS_IOU))
    kept = kept[np.lexsort((-scores[kept], images[kept]))]
    ends = np.cumsum(np.bincount(images[kept], minlength=num_images))
    return [of_image[:num_proposals] for of_image in np.split(boxes[kept], ends[:-1])]


def _highest(
    outputs: np.ndarray, places: np.ndarray, ends: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The highest scores of each group of places: descending, among equal ones the first.

    Args:
        outputs: (., 5); scores are in the first column.
        places: (n,) rows of the outputs, group after group.
        ends: (groups,) of the groups among the places.

    Returns:
        Indices among the places, group after group, and their numbers (groups,).
    """
    function = function_of_boxes("hssl_highest")
    if function is None:
        scores, starts = outputs[places, 0], [0, *ends.tolist()]
        parts = [start + _highest_of(scores[start:end], most) for start, end in pairwise(starts)]
        return np.concatenate(parts), np.array([len(part) for part in parts])
    outputs = np.ascontiguousarray(outputs, np.float32)
    places, ends = (np.ascontiguousarray(array, np.int64) for array in (places, ends))
    counts = np.minimum(np.diff(ends, prepend=0), most)
    found = np.empty(counts.sum(), np.int64)
    arrays = [array.ctypes.data for array in (ends, places, outputs)]
    function(len(ends), *arrays, outputs.shape[1], most, found.ctypes.data, counts.ctypes.data)
    return found, counts


def _highest_of(scores: np.ndarray, count: int) -> np.ndarray:
    if len(scores) > count:
        # First everything that could be among them; a full sort would take most of the time.
        threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
