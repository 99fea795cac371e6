"""L2-regularised multinomial logistic regression on frozen features."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class FittedLogistic:
    """A fitted classifier of features (n, D), and how C was chosen."""

    classifier: Pipeline
    inverse_strength: float  # scikit-learn's C
    validation_accuracies: tuple[float, ...]  # one per candidate; empty where nothing had to be chosen
    converged: bool  # the classifier's own fit, not the candidates'

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predicted classes, (n,) int64."""
        return self.classifier.predict(features).astype(np.int64)


def fit_logistic(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None,
    *,
    inverse_strengths: tuple[float, ...],
    max_iterations: int,
) -> FittedLogistic:
    """Choose C on validation images, then fit on the training images.

    Channels are standardised by the training images' mean and deviation, so that the same C means the same
    for every backbone. The strongest regularisation (the smallest C) wins a tie. Without validation images,
    C is the candidate nearest to 1, scikit-learn's default.

    Args:
        train: features (n, D) and labels (n,) of at least two classes.
        validation: likewise, or None.

    Raises:
        ValueError: the training images are of one class.
    """
    features, labels = train
    if len(np.unique(labels)) < 2:
        raise ValueError("logistic regression needs training images of at least two classes")
    if validation is None:
        chosen = min(inverse_strengths, key=lambda strength: (abs(np.log(strength)), strength))
        classifier, converged = _fit(features, labels, chosen, max_iterations)
        return FittedLogistic(classifier, chosen, (), converged)
    fits = [_fit(features, labels, strength, max_iterations) for strength in inverse_strengths]
    accuracies = tuple(float(np.mean(fit.predict(validation[0]) == validation[1])) for fit, _ in fits)
    best = max(range(len(fits)), key=lambda i: (accuracies[i], -inverse_strengths[i]))
    classifier, converged = fits[best]
    return FittedLogistic(classifier, inverse_strengths[best], accuracies, converged)


def _fit(
    features: np.ndarray, labels: np.ndarray, inverse_strength: float, max_iterations: int
) -> tuple[Pipeline, bool]:
    regression = LogisticRegression(C=inverse_strength, max_iter=max_iterations)
    classifier = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        classifier.fit(features, labels)
    return classifier, not any(issubclass(w.category, ConvergenceWarning) for w in caught)
