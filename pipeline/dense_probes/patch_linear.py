"""A linear classifier of patch tokens: a 1 x 1 convolution on the frozen feature map.

Shapes: M training patches, Q patches, D channels, C classes that occur in the training patches.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.dense_probes.patch_sample import PatchSample
from pipeline.evaluate.logistic import fit_logistic


@dataclass(frozen=True, eq=False)
class PatchLinear:
    """Logits of every class seen in training."""

    weights: np.ndarray  # (D, C) float32
    biases: np.ndarray  # (C,) float32
    classes: np.ndarray  # (C,) int64, ascending: class of each column
    inverse_strength: float  # scikit-learn's C
    chosen_on_validation: bool
    iterations: int  # of the fit
    converged: bool

    @property
    def protocol(self) -> str:
        """Description for the tables."""
        how = "chosen on validation patches" if self.chosen_on_validation else "no validation to choose it on"
        end = "" if self.converged else f", not converged in {self.iterations} iterations"
        return f"logistic regression on standardised last tokens, C={self.inverse_strength:g} {how}{end}"

    def scores(self, tokens: np.ndarray) -> np.ndarray:
        """(Q, D) -> logits (Q, C) float32."""
        return tokens @ self.weights + self.biases


def fit_patch_linear(
    train: PatchSample,
    validation: PatchSample | None,
    *,
    inverse_strengths: tuple[float, ...],
    max_iterations: int,
    num_threads: int,
) -> PatchLinear:
    """Multinomial logistic regression on standardised tokens; C by accuracy on validation patches.

    Raises:
        ValueError: the training patches are of one class.
    """
    fitted = fit_logistic(
        (train.tokens, train.labels),
        None if validation is None else (validation.tokens, validation.labels),
        inverse_strengths=inverse_strengths,
        max_iterations=max_iterations,
        num_threads=num_threads,
    )
    weights = (fitted.weights / fitted.standardise.deviation).T
    return PatchLinear(
        weights=weights.astype(np.float32),
        biases=(fitted.biases - fitted.standardise.mean @ weights).astype(np.float32),
        classes=fitted.classes,
        inverse_strength=fitted.inverse_strength,
        chosen_on_validation=validation is not None,
        iterations=fitted.iterations,
        converged=fitted.converged,
    )
