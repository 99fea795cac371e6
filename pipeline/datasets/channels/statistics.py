"""Mean and standard deviation of the channels of a data set, from those of its images."""

import numpy as np

# Below this ratio of deviation to mean, float32 does not tell a channel's variation from rounding.
_LEAST_SHARE = 1e-6


def moments(pixels: np.ndarray) -> tuple[float, ...]:
    """Mean of each channel, then variance of each, over the pixels of one image.

    Args:
        pixels: (H, W, C) float32.
    """
    values = pixels.reshape(-1, pixels.shape[2]).astype(np.float64)
    return (*values.mean(axis=0).tolist(), *values.var(axis=0).tolist())


def set_statistics(of_images: np.ndarray, sizes: np.ndarray) -> tuple[list[float], list[float], list[int]]:
    """Mean and standard deviation of each channel over all pixels, and the channels that do not vary.

    A constant channel gets the standard deviation 1, so that nothing is divided by 0.

    Args:
        of_images: (n, 2 C) float64, `moments` of each image.
        sizes: (n, 2) int64, width and height.
    """
    shares = sizes.prod(axis=1) / sizes.prod(axis=1).sum()
    means, variances = np.split(of_images, 2, axis=1)
    mean = shares @ means
    std = np.sqrt(shares @ (variances + (means - mean) ** 2))
    flat = std <= _LEAST_SHARE * np.abs(mean)
    return mean.tolist(), np.where(flat, 1.0, std).tolist(), np.flatnonzero(flat).tolist()
