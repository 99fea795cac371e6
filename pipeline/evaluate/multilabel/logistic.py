"""Logistic regression for each class separately, for images with any number of classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluate.logistic import Standardisation, standardisation
from pipeline.evaluate.logistic_solver import LogisticLoss, minimum


@dataclass(frozen=True, eq=False)
class FittedClasses:
    """Classifiers of features (n, D), one for each of K classes, with the same regularisation."""

    standardise: Standardisation
    inverse_strength: float  # scikit-learn's C
    weights: np.ndarray  # (D, K) float64
    biases: np.ndarray  # (K,) float64
    num_unfinished: int  # classes whose fit did not converge

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(n, K) float64: log odds; 0 for a class that no training image, or every one, has."""
        return self.standardise(features) @ self.weights + self.biases


def fitted_classes(
    features: np.ndarray, classes: np.ndarray, inverse_strengths: Sequence[float], max_iterations: int
) -> Iterator[FittedClasses]:
    """Fit all classes for each C, in ascending order; channels are standardised by the training images.

    Args:
        features: (n, D).
        classes: (n, K) bool.
    """
    standardise = standardisation(features)
    standardised = standardise(features)
    (num_images, num_channels), num_classes = features.shape, classes.shape[1]
    fitted = np.flatnonzero(classes.any(axis=0) & ~classes.all(axis=0))
    weights = np.zeros((num_classes, num_channels + 1))
    for strength in sorted(inverse_strengths):
        num_unfinished = 0
        for label in fitted:
            loss = LogisticLoss(standardised, classes[:, label].astype(np.int64), 2)
            loss.penalty = 1 / (strength * num_images)
            # Starting at the solution of the smaller C: fewer iterations to the same minimum.
            found = minimum(loss, weights[[label]], max_iterations=max_iterations)
            weights[label] = found.weights[0]
            num_unfinished += not found.converged
        yield FittedClasses(
            standardise, strength, weights[:, :-1].T.copy(), weights[:, -1].copy(), num_unfinished
        )
