"""Percentile bootstrap over test images, for means of one outcome per image.

A resample draws n images with replacement. Outcomes take few values, and the resample's mean depends only on
how often each value is drawn. Those counts are binomial for right and wrong, multinomial for more values.
Drawing the counts gives exactly the distribution of resampled means without drawing an index.
"""

import numpy as np

from pipeline.measures.intervals.percentiles import percentile_interval


def accuracy_interval(
    correct: np.ndarray, rng: np.random.Generator, *, num_bootstrap: int, confidence: float
) -> tuple[float, float]:
    """Interval of the share of images classified correctly.

    Args:
        correct: (n,) bool, or numbers that are 0 or 1; one per test image.
        confidence: share of resampled means inside the interval, between 0 and 1.

    Returns:
        low and high, fractions.

    Raises:
        ValueError: no values, values other than 0 and 1, or confidence outside (0, 1).
    """
    correct = np.asarray(correct)
    if correct.ndim != 1 or correct.size == 0:
        raise ValueError(f"correct: expected a vector with at least one value, got shape {correct.shape}")
    right = correct.astype(bool)
    if correct.dtype != bool and not np.array_equal(correct, right):
        raise ValueError("correct: expected only 0 and 1")
    means = rng.binomial(right.size, right.mean(), size=num_bootstrap) / right.size
    return percentile_interval(means, confidence)


def mean_interval(
    outcomes: np.ndarray, rng: np.random.Generator, *, num_bootstrap: int, confidence: float
) -> tuple[float, float]:
    """Interval of the mean of outcomes with few distinct values.

    Examples are the mean over seeds of right and wrong, and the paired difference of two arms: both sides
    have the same images, so images that are hard for both do not widen the interval.

    Args:
        outcomes: (n,) one per test image.

    Returns:
        low and high.

    Raises:
        ValueError: no outcomes, or confidence outside (0, 1).
    """
    if outcomes.ndim != 1 or outcomes.size == 0:
        raise ValueError(f"outcomes: expected a vector with at least one value, got shape {outcomes.shape}")
    # Rounding joins values that differ only in the last bit.
    values, counts = np.unique(np.round(outcomes, 9), return_counts=True)
    drawn = rng.multinomial(outcomes.size, counts / outcomes.size, size=num_bootstrap)
    return percentile_interval(drawn @ values / outcomes.size, confidence)
