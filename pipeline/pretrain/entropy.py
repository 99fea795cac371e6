"""Entropies of a teacher's distributions over prototypes, in float64."""

import numpy as np


def mean_entropy(probs: np.ndarray) -> float:
    """Mean entropy of the rows (n, K), distributions, in nats."""
    return float(entropies(np.asarray(probs, np.float64)).mean())


def entropies(probs: np.ndarray) -> np.ndarray:
    """Entropies of distributions (..., K), in nats: (...)."""
    return -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=-1)
