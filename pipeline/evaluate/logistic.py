"""L2-regularised multinomial logistic regression on frozen features.

Shapes: n images, D channels, K classes that occur in the training images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.evaluate.logistic_solver import LogisticLoss, minimum


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Mean and deviation of the channels of training images; 1 for a channel that is constant there."""

    mean: np.ndarray  # (D,) float64
    deviation: np.ndarray  # (D,) float64

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, D) float64."""
        standardised = features - self.mean
        standardised /= self.deviation
        return standardised


def standardisation(features: np.ndarray) -> Standardisation:
    """The standardisation by the channels of `features` (n, D)."""
    is_constant = features.min(axis=0) == features.max(axis=0)
    deviation = features.std(axis=0, dtype=np.float64)
    return Standardisation(features.mean(axis=0, dtype=np.float64), np.where(is_constant, 1, deviation))


@dataclass(frozen=True, eq=False)
class FittedLogistic:
    """A fitted classifier of features (n, D)."""

    standardise: Standardisation
    inverse_strength: float  # scikit-learn's C
    classes: np.ndarray  # (K,) int64, ascending
    weights: np.ndarray  # (K, D) float64, of standardised features; 0 for the first of two classes
    biases: np.ndarray  # (K,) float64
    iterations: int  # of L-BFGS
    converged: bool

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predicted classes, (n,) int64."""
        logits = self.standardise(features) @ self.weights.T + self.biases
        return self.classes[logits.argmax(axis=1)]


def fit_logistic(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    *,
    inverse_strengths: tuple[float, ...],
    max_iterations: int,
    num_threads: int,
) -> FittedLogistic:
    """Choose C on validation images, then fit on the training images.

    Channels are standardised by the training images' mean and deviation, so that the same C means the same
    for every backbone. The strongest regularisation (the smallest C) wins a tie. Without validation images, C
    is the candidate nearest to 1, scikit-learn's default.

    Args:
        train: features (n, D) and labels (n,) of at least two classes.
        validation: likewise, or None.
        num_threads: at most.

    Raises:
        ValueError: the training images are of one class.
    """
    features, labels = train
    if len(np.unique(labels)) < 2:
        raise ValueError("logistic regression needs training images of at least two classes")
    if validation is None:
        inverse_strengths = (min(inverse_strengths, key=lambda c: (abs(np.log(c)), c)),)
    fits = list(_path(features, labels, sorted(inverse_strengths), max_iterations, num_threads))
    if validation is None:
        return fits[0]
    return max(
        fits, key=lambda fit: np.mean(fit.predict(validation[0]) == validation[1])
    )  # the first one in a tie


def _path(
    features: np.ndarray,
    labels: np.ndarray,
    rising_strengths: list[float],
    max_iterations: int,
    num_threads: int,
) -> Iterator[FittedLogistic]:
    """Fit for each C, starting at the previous solution: fewer iterations to the same minimum."""
    classes, positions = np.unique(labels, return_inverse=True)
    standardise = standardisation(features)
    loss = LogisticLoss(standardise(features), positions, len(classes))
    weights = np.zeros((loss.num_vectors, features.shape[1] + 1))
    for strength in rising_strengths:
        loss.penalty = 1 / (strength * len(features))
        found = minimum(loss, weights, max_iterations=max_iterations, num_threads=num_threads)
        weights = found.weights
        of_classes = np.zeros((len(classes), weights.shape[1]))
        of_classes[-len(weights) :] = weights
        yield FittedLogistic(
            standardise,
            strength,
            classes.astype(np.int64),
            of_classes[:, :-1],
            of_classes[:, -1],
            found.iterations,
            found.converged,
        )
