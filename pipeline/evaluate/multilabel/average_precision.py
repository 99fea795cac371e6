"""Average precision of each class, on the test images and on resamples of them.

Shapes: n images, K classes, R resamples.
"""

import numpy as np

_BLOCK_BYTES = 32 * 2**20  # of counts in memory at once


def average_precisions(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The area under each class's curve of precision over recall, as a sum of steps.

    Images of equal scores count together, since they have no order.

    Args:
        truth: (n, K) bool.
        scores: (n, K) float, finite; higher is likelier.

    Returns:
        (K,) float64; NaN for a class without a positive image.

    Raises:
        ValueError: shapes disagree, or a score is not finite.

    Source:
        AP = sum over thresholds of (recall step) x precision, without interpolation, as
        sklearn.metrics.average_precision_score.
    """
    return average_precision_replicates(truth, scores, np.ones((1, len(truth)), np.int32))[0]


def average_precision_replicates(truth: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same on resamples.

    Args:
        counts: (R, n) how often each image is in each resample.

    Returns:
        (R, K) float64; NaN where a resample has no positive image of a class.
    """
    if truth.shape != scores.shape or truth.ndim != 2 or counts.shape[1] != len(truth):
        raise ValueError(f"truth {truth.shape}, scores {scores.shape} and counts {counts.shape} do not agree")
    if not np.isfinite(scores).all():
        raise ValueError("scores are not all finite")
    found = np.empty((len(counts), truth.shape[1]))
    for label in range(truth.shape[1]):
        found[:, label] = _class_replicates(truth[:, label], scores[:, label], counts)
    return found


def _class_replicates(truth: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(R,) of one class: truth (n,), scores (n,), counts (R, n)."""
    found = np.full(len(counts), np.nan)
    order = np.argsort(-scores, kind="stable")
    positives = np.flatnonzero(truth[order])
    if not positives.size:
        return found
    ranked = scores[order]
    # The last image with the same score as each image: a threshold below it includes the image.
    last = np.searchsorted(-ranked, -ranked[positives], side="right") - 1
    block = max(1, _BLOCK_BYTES // (8 * len(order)))
    for start in range(0, len(counts), block):
        rows = slice(start, start + block)
        drawn = counts[rows][:, order]
        hits = np.cumsum(drawn[:, positives], axis=1, dtype=np.int64)
        taken = np.cumsum(drawn, axis=1, dtype=np.int64)[:, last]
        # True positives up to the last positive of equal score.
        ends = np.searchsorted(last, last, side="right") - 1
        total = hits[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(taken > 0, hits[:, ends] / taken, 0.0)
            found[rows] = (drawn[:, positives] * precision).sum(axis=1) / total[:, 0]
    return found
