"""Assigns boxes (anchors or proposals) to ground-truth boxes, and samples those that a step trains on.

By assignment.cpp, or by NumPy if nothing can be compiled: the same boxes.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.detection.box_library import function_of_boxes
from pipeline.evaluate.box_overlap import areas

_CROWD_COVERAGE = 0.5  # a box covered by a crowd by this share is never a negative

POSITIVE, NEGATIVE, NEITHER = 1, 0, -1


@dataclass(frozen=True, eq=False)
class Matches:
    """The training target of each of n boxes."""

    truth: np.ndarray  # (n,) int64: index of the truth of a positive box, else -1
    label: np.ndarray  # (n,) int8: 1 positive, 0 negative, -1 neither


def assign(
    boxes: np.ndarray,
    truths: np.ndarray,
    *,
    positive_iou: float,
    negative_iou: float,
    min_positive_iou: float | None = None,
    crowds: np.ndarray | None = None,
) -> Matches:
    """Assign each box to the ground-truth box that it overlaps most.

    Args:
        boxes: (n, 4).
        truths: (m, 4) ground-truth boxes without crowds; if m is 0, no box is positive.
        positive_iou: a box with at least this IoU is positive; the first ground-truth box wins a tie.
        negative_iou: a box below this IoU is negative; between the two it is neither.
        min_positive_iou: if given, each ground-truth box also gets all boxes that share its largest IoU, if
            that is at least this, even if they overlap another one more; a later ground-truth box wins.
        crowds: (c, 4) or None; boxes of which a crowd covers half or more are never negative.

    Source:
        Faster R-CNN (Ren et al. 2015), section 3.1.2; ties as in mmdetection's MaxIoUAssigner.
    """
    function = function_of_boxes("hssl_assign")
    boxes, truths, crowds = map(_float64, (boxes, truths, np.zeros((0, 4)) if crowds is None else crowds))
    least = np.inf if min_positive_iou is None else min_positive_iou
    if function is None:
        return _assigned_by_numpy(boxes, truths, crowds, positive_iou, negative_iou, least)
    found = Matches(np.empty(len(boxes), np.int64), np.empty(len(boxes), np.int8))
    arrays = [each for given in (boxes, truths, crowds) for each in (len(given), given.ctypes.data)]
    limits = positive_iou, negative_iou, least, _CROWD_COVERAGE
    function(*arrays, *limits, found.truth.ctypes.data, found.label.ctypes.data)
    return found


def _float64(boxes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(boxes, np.float64).reshape(-1, 4)


def _assigned_by_numpy(
    boxes: np.ndarray,
    truths: np.ndarray,
    crowds: np.ndarray,
    positive_iou: float,
    negative_iou: float,
    least: float,
) -> Matches:
    """As hssl_assign."""
    # Contiguous, because most time goes into comparing single columns.
    columns = np.ascontiguousarray(boxes.T)
    best, truth = np.zeros(len(boxes)), np.full(len(boxes), -1, np.int64)
    favourites = []
    for index, target in enumerate(truths):
        touching, common, own = _overlaps(columns, target)
        iou = common / (own + areas(target[None])[0] - common)
        better = iou > best[touching]
        best[touching[better]], truth[touching[better]] = iou[better], index
        if len(iou) and iou.max() >= least:
            favourites.append((index, touching[iou == iou.max()]))
    label = np.where(best >= positive_iou, POSITIVE, np.where(best < negative_iou, NEGATIVE, NEITHER))
    label = label.astype(np.int8)
    if not len(truths):
        label[:] = NEGATIVE
    for index, chosen in favourites:
        truth[chosen], label[chosen] = index, POSITIVE
    truth[label != POSITIVE] = -1
    for crowd in crowds:
        touching, common, own = _overlaps(columns, crowd)
        inside = touching[common >= _CROWD_COVERAGE * own]
        label[inside[label[inside] == NEGATIVE]] = NEITHER
    return Matches(truth, label)


def _overlaps(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the boxes (4, n) that intersect the target, areas of intersection, and their own areas."""
    x1, y1, x2, y2 = columns
    near = (x1 < target[2]) & (x2 > target[0]) & (y1 < target[3]) & (y2 > target[1])
    touching = np.flatnonzero(near)
    left, top, right, bottom = columns[:, touching]
    width = np.minimum(right, target[2]) - np.maximum(left, target[0])
    height = np.minimum(bottom, target[3]) - np.maximum(top, target[1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    solid = common > 0
    own = (right - left) * (bottom - top)
    return touching[solid], common[solid], own[solid]


def sampled(
    rng: np.random.Generator, matches: Matches, num_samples: int, positive_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the boxes that a step trains on.

    Returns:
        Ascending indices of positive boxes, at most positive_share x num_samples, and of negative boxes,
        which fill up to num_samples if there are enough.
    """
    positives = _drawn(rng, np.flatnonzero(matches.label == POSITIVE), int(num_samples * positive_share))
    negatives = _drawn(rng, np.flatnonzero(matches.label == NEGATIVE), num_samples - len(positives))
    return positives, negatives


def _drawn(rng: np.random.Generator, candidates: np.ndarray, most: int) -> np.ndarray:
    if len(candidates) <= most:
        return candidates
    return np.sort(rng.choice(candidates, most, replace=False))
