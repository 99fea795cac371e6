"""Bootstrap interval of a metric that is not a mean over images, such as AP or mIoU."""

import numpy as np

from pipeline.measures.intervals.percentiles import percentile_interval


def centred_interval(
    replicates: np.ndarray, value: float, *, confidence: float
) -> tuple[float | None, float | None]:
    """Percentile interval of the replicates, shifted so that their mean is `value`.

    A resample has some images several times. AP takes the best precision from a recall on, and repeated
    images let it find a better one: its replicates are above the value on the images themselves, by more than
    they scatter if AP is small. The interval shall show the scatter; the shift removes the bias. A choice of
    this project, after the estimate of bias in Efron and Tibshirani, An Introduction to the Bootstrap (1993),
    chapter 10.

    Args:
        replicates: (R,) the metric on resamples, or a difference of two metrics; values that are not finite,
            as on resamples where the metric is undefined, are left out.
        value: the metric, or difference, on the images themselves.
        confidence: share of the replicates inside the interval, between 0 and 1.

    Returns:
        (low, high); (None, None) without a finite replicate.
    """
    finite = replicates[np.isfinite(replicates)]
    if not finite.size:
        return None, None
    low, high = percentile_interval(finite, confidence)
    moved = float(value - finite.mean())
    return low + moved, high + moved
