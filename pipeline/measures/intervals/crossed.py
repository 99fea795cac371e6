"""Interval of a mean over two crossed factors: each draw of training images with each test image."""

import numpy as np
from scipy.special import stdtrit


def crossed_interval(outcomes: np.ndarray, *, confidence: float) -> tuple[float, float]:
    """Interval of the mean, with respect to other draws and other test images.

    The variance of the mean is the variance of the draws' means over their number, plus that of the images'
    means over theirs. The interaction of image and draw is in both, once too often, so the interval is rather
    too wide than too narrow. Student's t has one degree of freedom less than there are draws, the fewer ones.

    Args:
        outcomes: (draws, n), two or more of each; right and wrong, means over seeds, or paired differences.
        confidence: between 0 and 1.

    Returns:
        low and high.

    Raises:
        ValueError: fewer than two draws or images.

    Source:
        The model of crossed random effects, as in Owen, The pigeonhole bootstrap, Annals of Applied
            Statistics 1 (2007). Student's t, and leaving in what is counted twice, are choices of this
            project.
    """
    if outcomes.ndim != 2 or min(outcomes.shape) < 2:
        raise ValueError(f"outcomes: expected two or more draws and images, got shape {outcomes.shape}")
    draws, images = (outcomes.mean(axis=axis) for axis in (1, 0))
    variance = draws.var(ddof=1) / draws.size + images.var(ddof=1) / images.size
    half = float(stdtrit(draws.size - 1, (1 + confidence) / 2) * variance**0.5)
    mean = float(outcomes.mean())
    return mean - half, mean + half
