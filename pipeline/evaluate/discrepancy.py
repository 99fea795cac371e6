"""Discrepancy: how much the representations of base and auxiliary head differ, without labels.

The released code does not contain the paper's definition of discrepancy: these three are this project's.
"""

import numpy as np

# Relative differences of a float32 network's vectors below this are rounding: a matrix product may round
# the rows of one matrix differently.
_ROUNDING = 1e-5


def cka_distance(first: np.ndarray, second: np.ndarray) -> float:
    """1 - linear CKA of two sets of n corresponding vectors: 0 if they are equal up to rotation and scale.

    Args:
        first: (n, p), second: (n, q); n >= 2.

    Raises:
        ValueError: the counts differ, or all vectors of a set are equal up to rounding: CKA is undefined.

    Source: Kornblith et al. 2019, linear CKA, features centred.
    """
    if len(first) != len(second):
        raise ValueError(f"expected as many vectors on both sides, found {len(first)} and {len(second)}")
    first, second = _centred(first), _centred(second)
    own = np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    return float(1 - np.linalg.norm(first.T @ second) ** 2 / own)


def cosine_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Mean of (1 - cosine similarity) / 2 over pairs of rows, in 0..1; both are (n, d), no row is zero."""
    first, second = _unit(first), _unit(second)
    return float(((1 - (first * second).sum(axis=1)) / 2).mean())


def kl_divergence(logits: np.ndarray, other_logits: np.ndarray, temperature: float) -> float:
    """Mean over rows of KL(softmax(logits / T) || softmax(other_logits / T)) in nats; both (n, K)."""
    log_p, log_q = _log_softmax(logits / temperature), _log_softmax(other_logits / temperature)
    return float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())


def _centred(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    centred = vectors - vectors.mean(axis=0)
    if np.linalg.norm(centred) <= _ROUNDING * np.linalg.norm(vectors):
        raise ValueError("all vectors of one side are equal: CKA does not exist")
    return centred


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError("a vector is zero: its direction does not exist")
    return vectors / norms


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
