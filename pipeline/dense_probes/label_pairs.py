"""Sparse confusion counts of each image: pairs of true and predicted class instead of a K x K matrix.

Shapes: H x W pixels, n images, K classes.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.targets import IGNORED


@dataclass(frozen=True, eq=False)
class LabelPairs:
    """The pairs (truth, prediction) that occur in each image, and how often; all (m,) int64."""

    image: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    pixels: np.ndarray

    def confusion(self, num_classes: int) -> np.ndarray:
        """Confusion matrix of all images, (K, K) int64 pixels; rows are the ground truth."""
        cells = self.truth * num_classes + self.predicted
        return _summed(cells, self.pixels, num_classes**2).reshape(num_classes, num_classes)

    def renamed(self, names: np.ndarray) -> "LabelPairs":
        """The pairs with every predicted number p replaced by names[p]."""
        return LabelPairs(self.image, self.truth, names[self.predicted], self.pixels)

    def areas(self, num_images: int, num_classes: int) -> np.ndarray:
        """Areas (n, 3, K) int64, pixels, as in `mean_iou`: true positives, predicted and labelled pixels."""
        right = np.where(self.truth == self.predicted, self.pixels, 0)
        kinds = ((self.truth, right), (self.predicted, self.pixels), (self.truth, self.pixels))
        of_kinds = [
            _summed(self.image * num_classes + classes, pixels, num_images * num_classes)
            for classes, pixels in kinds
        ]
        return np.stack([of_kind.reshape(num_images, num_classes) for of_kind in of_kinds], axis=1)


def pairs_of_image(truth: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """(m, 3) int64: truth, prediction, pixels; ignored pixels are dropped first.

    Args:
        truth: (H, W) integers, 0..num_classes - 1 or IGNORED.
        predicted: (H, W) int64 in 0..num_classes - 1.
    """
    known = truth != IGNORED
    cells = truth[known].astype(np.int64) * num_classes + predicted[known]
    # Counting is faster than sorting while the table of counts is no larger than the image.
    if num_classes**2 <= truth.size:
        counts = np.bincount(cells)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(cells, return_counts=True)
    return np.stack([found // num_classes, found % num_classes, counts], axis=1).astype(np.int64)


def joined_pairs(of_images: list[np.ndarray]) -> LabelPairs:
    """The pairs of several images, from `pairs_of_image`, in order."""
    image = np.repeat(np.arange(len(of_images)), [len(pairs) for pairs in of_images])
    truth, predicted, pixels = np.concatenate([np.zeros((0, 3), np.int64), *of_images]).T
    return LabelPairs(image, truth, predicted, pixels)


def _summed(cells: np.ndarray, pixels: np.ndarray, num_cells: int) -> np.ndarray:
    # float64 sums of counts are exact below 2^53 pixels.
    return np.bincount(cells, pixels, minlength=num_cells).astype(np.int64)
