"""Weighted k-nearest-neighbour votes for images with any number of classes.

Shapes: Q queries, N bank rows, D channels, K classes.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.evaluate.feature_rows import FeatureRows, StackedRows
from pipeline.evaluate.knn import cut_ks
from pipeline.evaluate.neighbours import nearest

_BLOCK_BYTES = 32 * 2**20  # of neighbours' classes in memory at once


def vote_shares(
    queries: np.ndarray | FeatureRows | StackedRows,
    bank: np.ndarray | FeatureRows,
    bank_classes: np.ndarray,
    *,
    ks: tuple[int, ...],
    temperature: float,
    num_threads: int = 1,
    on_card: bool = False,
) -> Mapping[int, np.ndarray]:
    """The share of the k neighbours' votes for each class, for every k, from one search.

    Neighbours and weights are those of `pipeline.evaluate.knn.classify`. Each neighbour votes for all of its
    classes with its full weight, so a share is 1 if all neighbours have the class.

    Args:
        queries: (Q, D) finite.
        bank: (N, D) finite.
        bank_classes: (N, K), 1 where an image has the class, else 0.
        ks: numbers of neighbours; cut to N.
        temperature: a neighbour of cosine similarity s votes with weight exp(s / temperature).
        on_card: search on a GPU, see `nearest`.

    Returns:
        k -> (Q, K) float32 in 0..1, in ascending order of k.

    Source:
        Weights: DINO (Caron et al. 2021). The share as a score of each class is this project's choice.
    """
    if len(bank_classes) != len(bank) or not len(bank) or not len(queries):
        raise ValueError(f"expected queries, and rows with classes: {len(queries)}, {len(bank)}")
    ks = cut_ks(ks, len(bank))
    similarities, rows = nearest(queries, bank, ks[-1], num_threads=num_threads, on_card=on_card)
    weights = np.exp((similarities - similarities[:, :1]) / np.float32(temperature))
    num_classes = bank_classes.shape[1]
    shares = {k: np.empty((len(queries), num_classes), np.float32) for k in ks}
    block = max(1, _BLOCK_BYTES // (8 * ks[-1] * num_classes))
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        votes, total = 0.0, 0.0
        for first, k in zip((0, *ks), ks, strict=False):
            new = weights[part, first:k].astype(np.float64)
            votes = votes + np.einsum("qk,qkc->qc", new, bank_classes[rows[part, first:k]])
            total = total + new.sum(axis=1, keepdims=True)
            shares[k][part] = votes / total
    return shares
