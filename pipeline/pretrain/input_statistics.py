"""Channel statistics with which images are normalised."""

import numpy as np

from pipeline.datasets.prepared import PreparedDataset

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


def input_statistics(normalization: str, dataset: PreparedDataset) -> tuple[np.ndarray, np.ndarray]:
    """Channel mean and standard deviation of pixels in [0, 1], (3,) float32 each."""
    if normalization == "imagenet":
        return IMAGENET_MEAN, IMAGENET_STD
    return dataset.mean, dataset.std
