"""Non-maximum suppression, exact and vectorised."""

import numpy as np

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
    ranked = np.asarray(boxes, np.float64)[order]
    if classes is None:
        return order[_kept(ranked, iou_threshold)]
    ranked_classes = np.asarray(classes)[order]
    ranks = [np.flatnonzero(ranked_classes == name) for name in np.unique(ranked_classes)]
    kept = [rank[_kept(ranked[rank], iou_threshold)] for rank in ranks]
    return order[np.sort(np.concatenate(kept))] if kept else order


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
