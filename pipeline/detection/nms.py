"""Non-maximum suppression, exact: by nms.cpp, or by NumPy if nothing can be compiled."""

import numpy as np

from pipeline.detection.box_library import function_of_boxes
from pipeline.evaluate.box_overlap import box_iou

_BLOCK = 128  # boxes whose overlaps with all the others are computed at once


def nms(
    boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, classes: np.ndarray | None = None
) -> np.ndarray:
    """Indices of the boxes that remain when each removes lower-scored boxes that overlap it too much.

    Args:
        boxes: (n, 4).
        scores: (n,).
        iou_threshold: in [0, 1]; a box is removed if its IoU with a better one is above this.
        classes: (n,) integers or None; boxes of different classes do not remove each other.

    Returns:
        (k,) int64 indices by descending score; among equal scores the lower index comes first and wins.

    Raises:
        ValueError: the lengths differ.
    """
    num_classes = len(boxes) if classes is None else len(classes)
    if not len(boxes) == len(scores) == num_classes:
        raise ValueError(f"nms: {len(boxes)} boxes, {len(scores)} scores, {num_classes} classes")
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    # Class after class, best first; without classes all are of one.
    ranked_classes = np.zeros(len(order), np.int64) if classes is None else np.asarray(classes)[order]
    by_class = np.argsort(ranked_classes, kind="stable")
    sorted_classes = ranked_classes[by_class]
    ends = np.append(np.flatnonzero(sorted_classes[1:] != sorted_classes[:-1]) + 1, len(order))
    grouped = np.ascontiguousarray(boxes, np.float64).reshape(-1, 4)[order[by_class]]
    kept = kept_of_groups(grouped, ends, iou_threshold)
    return order[np.sort(by_class[kept])]


def kept_of_groups(grouped: np.ndarray, ends: np.ndarray, iou_threshold: float) -> np.ndarray:
    """(n,) bool: which boxes remain when those of a group remove each other.

    Args:
        grouped: (n, 4) float64, boxes of a group behind one another, best first, up to an end.
        ends: ascending; the last one is n.
        iou_threshold: as in `nms`.
    """
    by_numpy = function_of_boxes("hssl_nms") is None
    return (_kept_by_numpy if by_numpy else _kept_by_library)(grouped, ends, iou_threshold)


def _kept_by_library(grouped: np.ndarray, ends: np.ndarray, iou_threshold: float) -> np.ndarray:
    kept, ends = np.empty(len(grouped), np.bool_), ends.astype(np.int64)
    arrays = ends.ctypes.data, grouped.ctypes.data, iou_threshold, kept.ctypes.data
    function_of_boxes("hssl_nms")(len(ends), *arrays)
    return kept


def _kept_by_numpy(grouped: np.ndarray, ends: np.ndarray, iou_threshold: float) -> np.ndarray:
    """As `_kept_by_library`, in some 20 times the processor time."""
    kept, start = np.zeros(len(grouped), bool), 0
    for end in ends.tolist():
        kept[start + _kept(grouped[start:end], iou_threshold)] = True
        start = end
    return kept


def _kept(ranked: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Ascending ranks of the remaining boxes, given boxes in the order of their scores.

    The best boxes left are resolved among themselves, block by block; then they remove lower-scored boxes.
    """
    kept, left = [], np.arange(len(ranked))
    while len(left):
        block, left = left[:_BLOCK], left[_BLOCK:]
        block = block[_greedy(box_iou(ranked[block], ranked[block]) > iou_threshold)]
        kept.append(block)
        left = left[~(box_iou(ranked[block], ranked[left]) > iou_threshold).any(axis=0)]
    return np.concatenate(kept) if kept else left


def _greedy(overlapping: np.ndarray) -> np.ndarray:
    """Select the boxes that remain, (b,) bool, from their overlaps (b, b) bool, best first."""
    lower = np.triu(overlapping, 1)  # [i, j]: j is worse than i, and overlapped by it
    stays = np.ones(len(overlapping), bool)
    for rank in np.flatnonzero(lower.any(axis=1)):
        if stays[rank]:
            stays &= ~lower[rank]
    return stays
