"""F1 of classes, with thresholds chosen on validation images.

Shapes: n images, K classes, R resamples.
"""

from dataclasses import dataclass

import numpy as np

_BLOCK = 64  # resamples computed at once


@dataclass(frozen=True, eq=False)
class Thresholds:
    """A class is predicted if its score is at least its threshold."""

    of_classes: np.ndarray  # (K,) float64: the best F1 of each class on its own, for the macro mean
    common: float  # of all classes: the best micro F1


def chosen_thresholds(truth: np.ndarray, scores: np.ndarray) -> Thresholds:
    """The thresholds with the highest F1 on validation images; the highest threshold in a tie.

    A class without a positive validation image takes the common threshold.

    Args:
        truth: (n, K) bool.
        scores: (n, K) float.

    Raises:
        ValueError: no image has a class.

    Source:
        One threshold for each class is best for the macro mean, one for all for the micro mean: Lipton, Elkan
        and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure (2014).
    """
    if not truth.any():
        raise ValueError("thresholds need a validation image with a class")
    common = _best(truth.ravel(), scores.ravel())
    of_classes = [
        _best(truth[:, label], scores[:, label]) if truth[:, label].any() else common
        for label in range(truth.shape[1])
    ]
    return Thresholds(np.array(of_classes, np.float64), common)


def _best(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold of the highest F1; truth (n,) with a positive, scores (n,)."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits = np.cumsum(truth[order])[ends]
    f1 = 2 * hits / (ends + 1 + truth.sum())
    return float(ranked[ends[f1.argmax()]])


def f1_replicates(
    truth: np.ndarray, predicted: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """F1 of each class, and micro F1 over all of them, on resamples.

    Args:
        truth, predicted: (n, K) bool.
        counts: (R, n) how often each image is in each resample.

    Returns:
        (R, K), NaN if a resample has no positive image of a class; (R,), NaN if it has none of any class.
    """
    hit, claimed = truth & predicted, predicted
    of_class, micro = np.empty((len(counts), truth.shape[1])), np.empty(len(counts))
    for start in range(0, len(counts), _BLOCK):
        rows = slice(start, start + _BLOCK)
        drawn = counts[rows].astype(np.float64)
        hits, claims, there = (drawn @ each for each in (hit, claimed, truth))
        with np.errstate(invalid="ignore"):
            of_class[rows] = np.where(there > 0, 2 * hits / (claims + there), np.nan)
            sums = hits.sum(axis=1), claims.sum(axis=1), there.sum(axis=1)
            micro[rows] = np.where(sums[2] > 0, 2 * sums[0] / (sums[1] + sums[2]), np.nan)
    return of_class, micro
