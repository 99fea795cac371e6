"""L2-regularised multinomial logistic regression on frozen features."""

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

# Images x channels x classes below which one thread is faster, because scikit-learn's and BLAS's threads wait
# for one another. Measured with 16,000 x 96 x 15 on two cores: 35 s of processor time with one thread, 116 s
# with two.
ONE_THREAD_WORK = 10**9


@dataclass(frozen=True)
class FittedLogistic:
    """A fitted classifier of features (n, D)."""

    scaler: StandardScaler
    regression: LogisticRegression
    converged: bool

    @property
    def inverse_strength(self) -> float:
        """scikit-learn's C."""
        return self.regression.C

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Predicted classes, (n,) int64."""
        return self.regression.predict(self.scaler.transform(features)).astype(np.int64)


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
        num_threads: at most; a small problem uses one.

    Raises:
        ValueError: the training images are of one class.
    """
    features, labels = train
    if len(np.unique(labels)) < 2:
        raise ValueError("logistic regression needs training images of at least two classes")
    if validation is None:
        inverse_strengths = (min(inverse_strengths, key=lambda c: (abs(np.log(c)), c)),)
    with threadpool_limits(1 if features.size * len(np.unique(labels)) < ONE_THREAD_WORK else num_threads):
        fits = list(_path(features, labels, sorted(inverse_strengths), max_iterations))
    if validation is None:
        return fits[0]
    return max(
        fits, key=lambda fit: np.mean(fit.predict(validation[0]) == validation[1])
    )  # the first one in a tie


def _path(
    features: np.ndarray, labels: np.ndarray, rising_strengths: list[float], max_iterations: int
) -> Iterator[FittedLogistic]:
    """Fit for each C, starting at the previous solution: fewer iterations to the same minimum."""
    scaler = StandardScaler()
    standardised = scaler.fit_transform(features)
    regression = LogisticRegression(max_iter=max_iterations, warm_start=True)
    for strength in rising_strengths:
        regression.set_params(C=strength)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            regression.fit(standardised, labels)
        converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
        yield FittedLogistic(scaler, copy.deepcopy(regression), converged)
