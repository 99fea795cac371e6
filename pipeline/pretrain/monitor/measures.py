"""Measures of features without a trained probe, in float64.

Shapes: n images, D channels.
"""

import numpy as np

from pipeline.evaluate.knn import classify

KNN_TEMPERATURE = 0.07  # of the k-NN protocol
_PAIR_TEMPERATURE = 2.0  # Wang & Isola's t
_EPS = 1e-7  # Garrido et al.'s


def rank_me(features: np.ndarray) -> float:
    """Effective rank of the features: exp of the entropy of their singular values, 1..min(n, D).

    features: (n, D), neither centred nor normalised. n bounds the result, so choose n above D.
        features: (n, D), not centred and not normalised. n bounds the result: take n above D.

    Source: RankMe (Garrido et al. 2023), equation 1. The paper mostly measures a projector's output.
    """
    values = np.linalg.svd(np.asarray(features, np.float64), compute_uv=False)
    shares = values / max(values.sum(), np.finfo(np.float64).tiny) + _EPS
    return float(np.exp(-(shares * np.log(shares)).sum()))


def alignment(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared distance of the unit vectors of two views of an image, 0..4; 0: all views agree.

    Args:
        first, second: (n, D), row i of both from image i.

    Source: Wang & Isola 2020, L_align with alpha = 2.
    """
    return float(((units(first) - units(second)) ** 2).sum(axis=1).mean())


def uniformity(features: np.ndarray) -> float:
    """Log of the mean over pairs of images of exp(-2 |x - y|^2) of unit vectors, -8..0; 0: all are equal.

    Args:
        features: (n, D), n >= 2, one view of each image.

    Source: Wang & Isola 2020, L_uniform with t = 2; every pair of different images once.
    """
    vectors = units(features)
    squared = 2 - 2 * (vectors @ vectors.T)[np.triu_indices(len(vectors), k=1)]
    return float(np.log(np.exp(-_PAIR_TEMPERATURE * squared).mean()))


def knn_top1(
    queries: np.ndarray, labels: np.ndarray, bank: np.ndarray, bank_labels: np.ndarray, *, k: int
) -> float:
    """Share of queries whose k nearest neighbours in the bank vote for their label.

    Args:
        queries: (Q, D) with labels (Q,), bank: (N, D) with labels (N,), all labels from 0.

    Source: the protocol of `pipeline.evaluate.knn`, for one k.
    """
    (found,) = classify(queries, bank, bank_labels, ks=(k,), temperature=KNN_TEMPERATURE)
    return float((found.classes == labels).mean())


def units(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float64; a zero row stays zero."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float64).tiny)
