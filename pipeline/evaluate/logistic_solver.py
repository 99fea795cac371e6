"""Minimises the loss of L2-regularised logistic regression by L-BFGS, in coordinates that suit its Hessian.

The search is SciPy's, the objective scikit-learn's. That one's solver has no such coordinates: on frozen
features it takes hundreds of iterations, and where it ends depends on where it began (docs/speed.md).

Shapes: n images, D channels, K classes, J weight vectors: J = K, or 1 where K = 2, as in scikit-learn, whose
second class alone has a logit. The last of the D + 1 numbers of a weight vector is its bias.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from threadpoolctl import threadpool_limits

BLOCK_BYTES = 2**18  # logits that fit into a core's cache
GRADIENT_TOLERANCE = 1e-5  # largest entry of the gradient at a minimum; a tenth of scikit-learn's default
LOSS_TOLERANCE = 64 * np.finfo(float).eps  # scikit-learn's: relative decrease that counts as none
HESSIAN_ROWS = 32  # images a channel of which the Hessian is estimated, which preconditions only


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the search ended."""

    weights: np.ndarray  # (J, D + 1) float64
    iterations: int
    evaluations: int  # of the loss: two products each
    converged: bool


class LogisticLoss:
    """Mean cross-entropy plus |weights|^2 / (2 C n), without the biases: scikit-learn's objective.

    Args:
        features: (n, D) float64.
        labels: (n,) int64 in 0..num_classes - 1.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, num_classes: int):
        self.features, self.num_classes = features, num_classes
        self.num_vectors = 1 if num_classes == 2 else num_classes
        self.penalty = 0.0  # 1 / (C n)
        rows = max(1, BLOCK_BYTES // (8 * num_classes))
        self._blocks = [features[first : first + rows] for first in range(0, len(features), rows)]
        of_class = np.zeros((num_classes, len(features)))
        of_class[labels, np.arange(len(labels))] = 1
        of_class = of_class[-self.num_vectors :]
        # What the labels add to the gradient; its product with the weights is what they add to the loss.
        self._labelled = np.column_stack((of_class @ features, of_class.sum(axis=1)))

    def __call__(self, weights: np.ndarray, mapped: Callable = map) -> tuple[float, np.ndarray]:
        """Loss and gradient at `weights` (J, D + 1).

        Args:
            mapped: `map`, or that of an executor: blocks of images are added up in the same order.
        """
        total, gradient = 0.0, np.zeros_like(weights)
        for part, part_gradient in mapped(lambda block: self._of_block(block, weights), self._blocks):
            total += part
            gradient += part_gradient
        total -= (self._labelled * weights).sum()
        gradient -= self._labelled
        total, gradient = total / len(self.features), gradient / len(self.features)
        penalised = weights[:, :-1]
        gradient[:, :-1] += self.penalty * penalised
        return total + self.penalty / 2 * (penalised**2).sum(), gradient

    def shares(self, features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (J, m) of classes that have weights, and logsumexp (m,) of all classes' logits."""
        logits = np.zeros((self.num_classes, len(features)))
        np.matmul(weights[:, :-1], features.T, out=logits[-self.num_vectors :])
        logits[-self.num_vectors :] += weights[:, -1:]
        highest = logits.max(axis=0)
        logits -= highest
        np.exp(logits, out=logits)
        sums = logits.sum(axis=0)
        logits /= sums
        return logits[-self.num_vectors :], np.log(sums) + highest

    def _of_block(self, block: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
        shares, logsumexp = self.shares(block, weights)
        return logsumexp.sum(), np.column_stack((shares @ block, shares.sum(axis=1)))


def minimum(loss: LogisticLoss, start: np.ndarray, *, max_iterations: int, num_threads: int = 1) -> Minimum:
    """Find the weights of least loss, from `start` (J, D + 1).

    The weights are expressed in coordinates in which the Hessian is near the identity, because channels of
    frozen features are nearly combinations of others: L-BFGS then takes a fifth of the iterations or fewer.
    The minimum, and the gradient that must be small there, are those of the weights. The result does not
    depend on the number of threads.

    Source:
        Nocedal & Wright, Numerical Optimization, 7.2 (L-BFGS) and 5.1 (preconditioning).
    """
    # Threads compute blocks of images: BLAS's own would wait for one another in products this small.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(num_threads) as pool:
        return _minimum(loss, start, max_iterations, map if num_threads == 1 else pool.map)


def _minimum(loss: LogisticLoss, start: np.ndarray, max_iterations: int, mapped: Callable) -> Minimum:
    to_gradient = _inverse_factors(loss, start)  # of the coordinates: L^-1, (J or 1, D + 1, D + 1)
    to_weights = to_gradient.swapaxes(1, 2)
    latest = {}

    def of_coordinates(coordinates: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(_applied(to_weights, coordinates.reshape(start.shape)), mapped)
        latest["gradient"] = gradient
        return value, _applied(to_gradient, gradient).ravel()

    def stop_at_minimum(intermediate_result: OptimizeResult) -> None:
        # What was evaluated last is where an iteration ends.
        if np.abs(latest["gradient"]).max() <= GRADIENT_TOLERANCE:
            latest["found"] = True
            raise StopIteration

    result = minimize(
        of_coordinates,
        _applied(np.linalg.inv(to_weights), start).ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=stop_at_minimum,
        options={
            "maxiter": max_iterations,
            "maxfun": np.iinfo(np.int32).max,
            "maxls": 50,
            "gtol": 0,
            "ftol": LOSS_TOLERANCE,
        },
    )
    weights = _applied(to_weights, result.x.reshape(start.shape))
    return Minimum(weights, result.nit, result.nfev, "found" in latest or bool(result.success))


def has_block_for_each_class(num_images: int, num_channels: int, num_vectors: int) -> bool:
    """Whether the Hessian is estimated for each class by itself, or one estimate serves all.

    For each class, iterations are about a third of those with one estimate. That is worth it where the
    estimates take no more memory than the features, and no longer than some 40 evaluations of the loss.
    """
    return num_vectors * num_channels <= num_images and num_channels**2 <= 10 * num_images


def _inverse_factors(loss: LogisticLoss, weights: np.ndarray) -> np.ndarray:
    """Inverses of L (D + 1, D + 1), L L^T = the Hessian's block of each class, or of the mean class.

    Returns:
        (J, D + 1, D + 1), or (1, D + 1, D + 1) where one serves all.
    """
    num_images, num_channels = loss.features.shape
    num_chosen = min(num_images, HESSIAN_ROWS * num_channels)
    # Drawn, as classes may take turns in the order of the images.
    chosen = loss.features[np.random.default_rng(0).permutation(num_images)[:num_chosen]]
    shares = loss.shares(chosen, weights)[0]
    curvatures = shares * (1 - shares)
    if not has_block_for_each_class(num_images, num_channels, len(weights)):
        curvatures = curvatures.mean(axis=0, keepdims=True)
    chosen = np.column_stack((chosen, np.ones(len(chosen))))
    # The bias has no penalty, but a class that is certain everywhere has no curvature either.
    penalty = np.diag([loss.penalty] * num_channels + [min(loss.penalty, 1e-6)])
    blocks = (_block(chosen, curvature) + penalty for curvature in curvatures)
    return np.stack([np.linalg.inv(np.linalg.cholesky(block)) for block in blocks])


def _block(features: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    return (features.T * curvature) @ features / len(features)


def _applied(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Each matrix (J or 1, D + 1, D + 1) times its vector (J, D + 1)."""
    if len(matrices) == 1:
        return vectors @ matrices[0].T
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]
