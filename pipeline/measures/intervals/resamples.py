"""Resamples of the test images that all arms share.

Every arm's metric is computed on the same resamples, so a difference of two arms' replicates is a paired
difference, for any metric, whether or not it is a mean over images.
"""

import numpy as np

RESAMPLING_SEED = 95


def resample_counts(num_images: int, num_bootstrap: int) -> np.ndarray:
    """How often each image is drawn in each resample, with replacement: (R, num_images) int32."""
    if num_images < 1:
        raise ValueError("there are no images to draw from")
    rng = np.random.default_rng((RESAMPLING_SEED, num_images))
    return rng.multinomial(num_images, np.full(num_images, 1 / num_images), size=num_bootstrap).astype(
        np.int32
    )
