"""Percentile interval: the bounds of a distribution's central share."""

import numpy as np


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Bounds of the central share `confidence` of the values, with equal tails.

    Args:
        values: (R,) finite, at least one.
        confidence: between 0 and 1.

    Raises:
        ValueError: no values, or confidence outside (0, 1).

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    if not values.size:
        raise ValueError("an interval needs at least one value")
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
