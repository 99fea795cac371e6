"""Logistic regression for each class separately, for images with any number of classes."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits


@dataclass(frozen=True, eq=False)
class FittedClasses:
    """Classifiers of features (n, D), one for each of K classes, with the same regularisation."""

    scaler: StandardScaler
    inverse_strength: float  # scikit-learn's C
    weights: np.ndarray  # (D, K) float64
    biases: np.ndarray  # (K,) float64
    num_unfinished: int  # classes whose fit did not converge

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(n, K) float64: log odds; 0 for a class that no training image, or every one, has."""
        return self.scaler.transform(features) @ self.weights + self.biases


def fitted_classes(
    features: np.ndarray, classes: np.ndarray, inverse_strengths: Sequence[float], max_iterations: int
) -> Iterator[FittedClasses]:
    """Fit all classes for each C, in ascending order; channels are standardised by the training images.

    Args:
        features: (n, D).
        classes: (n, K) bool.
    """
    scaler = StandardScaler()
    standardised = scaler.fit_transform(features)
    fits = {}
    # One class of a frozen backbone is a small problem, for which threads wait for one another.
    with threadpool_limits(1):
        for strength in sorted(inverse_strengths):
            weights, biases = np.zeros((features.shape[1], classes.shape[1])), np.zeros(classes.shape[1])
            num_unfinished = 0
            for label in range(classes.shape[1]):
                of_class = classes[:, label]
                if of_class.all() or not of_class.any():
                    continue
                # Starting at the solution of the smaller C: fewer iterations to the same minimum.
                fit = fits.setdefault(label, LogisticRegression(max_iter=max_iterations, warm_start=True))
                fit.set_params(C=strength)
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", ConvergenceWarning)
                    fit.fit(standardised, of_class)
                num_unfinished += any(issubclass(w.category, ConvergenceWarning) for w in caught)
                weights[:, label], biases[label] = fit.coef_[0], fit.intercept_[0]
            yield FittedClasses(scaler, strength, weights, biases, num_unfinished)
