"""Intersection over union and accuracy of each class over a set of label maps.

Shapes: K classes, n images, R resamples. Areas (..., 3, K) are pixel counts of each class: true positives,
all pixels predicted as the class, and all pixels of the class in the ground truth. The scores need nothing
else, and areas of several images can be added.
"""

import numpy as np
from scipy.sparse import csr_array

from pipeline.datasets.targets import IGNORED
from pipeline.measures.confusion import confusion_matrix

_BLOCK = 64  # resamples computed at once


class SegmentationCounts:
    """The confusion matrix of all pixels, summed over images, and the areas of each image.

    For each image, only the classes that occur in it are stored, a few hundred bytes.
    """

    def __init__(self, num_classes: int):
        self.confusion = np.zeros((num_classes, num_classes), np.int64)  # rows are the ground truth
        self._indices: list[np.ndarray] = []  # for each image: where its flattened areas (3 K,) are not zero,
        self._values: list[np.ndarray] = []  # and the areas there

    def __len__(self) -> int:
        return len(self._indices)

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count the pixels of one image.

        Args:
            truth: (H, W) integers in 0..K-1, or IGNORED for ignored pixels.
            prediction: (H, W) integers in 0..K-1.

        Raises:
            ValueError: sizes differ, or a class is out of range.
        """
        if truth.shape != prediction.shape:
            raise ValueError(f"expected a prediction of {truth.shape} pixels, found {prediction.shape}")
        counted = truth != IGNORED
        confusion = confusion_matrix(truth[counted], prediction[counted], len(self.confusion))
        self.confusion += confusion
        areas = class_areas(confusion).ravel()
        self._indices.append(np.flatnonzero(areas).astype(np.int32))
        self._values.append(areas[self._indices[-1]])

    def resampled(self, draws: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """On resamples of the images: the scores of `set_scores`, (R,) each, and `class_iou`, (R, K).

        Args:
            draws: (R, n) int: how often each image is drawn; see `resamples.resample_counts`.
        """
        ends = np.cumsum([0, *map(len, self._indices)])
        values = np.concatenate([np.empty(0), *self._values])  # float64 is exact for counts below 2^53
        indices = np.concatenate([np.empty(0, np.int32), *self._indices])
        images = csr_array((values, indices, ends), shape=(len(self), 3 * len(self.confusion)))
        scores, ious = [], []
        for start in range(0, len(draws), _BLOCK):
            areas = (draws[start : start + _BLOCK] @ images).reshape(-1, 3, len(self.confusion))
            scores.append(set_scores(areas))
            ious.append(class_iou(areas))
        return {name: np.concatenate([of[name] for of in scores]) for name in scores[0]}, np.concatenate(ious)


def class_areas(confusion: np.ndarray) -> np.ndarray:
    """Areas (3, K) from a confusion matrix (K, K), whose rows are the true classes."""
    return np.stack([np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1)])


def class_iou(areas: np.ndarray) -> np.ndarray:
    """IoU of each class, (..., K): true positives over all pixels that are of the class or predicted as it.

    NaN if there are none; 0 if the class is predicted but absent from the ground truth.
    """
    right, predicted, true = np.moveaxis(areas, -2, 0)
    return _shares(right, predicted + true - right)


def class_accuracy(areas: np.ndarray) -> np.ndarray:
    """Accuracy of each class, (..., K): true positives over pixels of the class; NaN if there are none."""
    right, _, true = np.moveaxis(areas, -2, 0)
    return _shares(right, true)


def set_scores(areas: np.ndarray) -> dict[str, np.ndarray]:
    """miou, macc and aacc as fractions, (...) each; NaN if no pixel is labelled.

    miou and macc are means over the classes whose score is not NaN.

    Source: mmsegmentation's mIoU, mAcc and aAcc, with its NaN for an absent class.
    """
    right, _, true = np.moveaxis(areas, -2, 0).sum(axis=-1)
    return {
        "miou": _mean_of_defined(class_iou(areas)),
        "macc": _mean_of_defined(class_accuracy(areas)),
        "aacc": _shares(right, true),
    }


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    return np.divide(parts, wholes, out=np.full(wholes.shape, np.nan), where=wholes > 0)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    defined = ~np.isnan(values)
    return _shares(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))
