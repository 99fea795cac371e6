"""Percentile bootstrap over test images, for means of right and wrong answers.

A resample draws n images with replacement. The mean of 0/1 values depends only on how many drawn images were
right, and that count is binomial (for a paired difference: the counts of -1, 0, +1 are multinomial). Drawing
the counts gives exactly the distribution of resampled means without drawing an index.
"""

import numpy as np


def bootstrap_interval(
    correct: np.ndarray, rng: np.random.Generator, *, num_bootstrap: int = 1000, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean of 0/1 values.

    Args:
        correct: (n,) bool, or numbers that are 0 or 1; one per test image.
        confidence: share of resampled means inside the interval, between 0 and 1.

    Returns:
        low and high, fractions.

    Raises:
        ValueError: no values, values other than 0 and 1, or confidence outside (0, 1).

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile interval).
    """
    right = _zeros_and_ones(correct, "correct")
    means = rng.binomial(right.size, right.mean(), size=num_bootstrap) / right.size
    return _percentiles(means, confidence)


def paired_difference_interval(
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    *,
    num_bootstrap: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Difference of two means over the same images, and its percentile interval.

    The same resampled images are used on both sides, so what is hard for both does not widen the interval.

    Args:
        first: (n,) bool or 0/1.
        second: (n,) bool or 0/1, of the same images in the same order.

    Returns:
        mean(first) - mean(second), low, high.

    Raises:
        ValueError: lengths differ, no values, values other than 0 and 1, or confidence outside (0, 1).
    """
    first, second = _zeros_and_ones(first, "first"), _zeros_and_ones(second, "second")
    if first.size != second.size:
        raise ValueError(f"a paired difference needs the same images: {first.size} and {second.size} values")
    gained = np.count_nonzero(first & ~second)
    lost = np.count_nonzero(second & ~first)
    num_images = first.size
    shares = np.array([gained, lost, num_images - gained - lost]) / num_images
    counts = rng.multinomial(num_images, shares, size=num_bootstrap)
    low, high = _percentiles((counts[:, 0] - counts[:, 1]) / num_images, confidence)
    return (gained - lost) / num_images, low, high


def _zeros_and_ones(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name}: expected a vector with at least one value, got shape {values.shape}")
    truths = values.astype(bool)
    if values.dtype != bool and not np.array_equal(values, truths):
        raise ValueError(f"{name}: expected only 0 and 1")
    return truths


def _percentiles(means: np.ndarray, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
