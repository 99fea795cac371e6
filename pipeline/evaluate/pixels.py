"""Raw pixels as features."""

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.transforms.evaluation import center_crops


def pixel_features(
    dataset: PreparedDataset, rows: np.ndarray, *, resize: int, side: int, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """The central square of each image, small, normalised by channel, as one vector.

    Args:
        rows: (b,) rows of the data set.
        resize: pixels; length of the short side, of which the central `side` pixels are taken.
        mean, std: (3,) of pixels in [0, 1].

    Returns:
        (b, 3 * side * side) float32.
    """
    images = [dataset.image(int(row), at_least=resize) for row in rows]
    return center_crops(images, resize, side, mean=mean, std=std).reshape(len(rows), -1)
