"""Weighted k-nearest-neighbour classification by the DINO/iBOT protocol.

Shapes: Q queries, N bank rows, D channels, C classes.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.evaluate.neighbours import nearest

VOTE_QUERIES = 4096  # queries whose (q, C) votes are in memory at once


@dataclass(frozen=True)
class KnnPredictions:
    """Predictions by the vote of k neighbours."""

    k: int
    classes: np.ndarray  # (Q,) int64, the class with most votes, the lowest in a tie
    ranking: np.ndarray  # (Q, min(5, C)) int64, classes by descending votes, the lowest first in a tie

    def of(self, queries: slice) -> "KnnPredictions":
        """Those for some of the queries."""
        return KnnPredictions(self.k, self.classes[queries], self.ranking[queries])


def cut_ks(ks: tuple[int, ...], num_bank: int) -> tuple[int, ...]:
    """The numbers of neighbours in ascending order, cut to the bank's size, without duplicates."""
    return tuple(sorted({min(k, num_bank) for k in ks}))


def classify(
    queries: np.ndarray,
    bank: np.ndarray,
    bank_labels: np.ndarray,
    *,
    ks: tuple[int, ...],
    temperature: float,
    num_threads: int = 1,
    on_card: bool = False,
) -> list[KnnPredictions]:
    """Classify queries by the vote of the k most similar bank rows, for every k, from one search.

    Args:
        queries: (Q, D) finite.
        bank: (N, D) finite; may be memory-mapped.
        bank_labels: (N,) int64, from 0.
        ks: numbers of neighbours; cut to N, see `cut_ks`.
        temperature: a neighbour of cosine similarity s votes with weight exp(s / temperature).
        on_card: search on a GPU, see `nearest`.

    Returns:
        Predictions for each number of neighbours, in ascending order.

    Raises:
        ValueError: shapes disagree, a label is negative, or there is no query or no bank row.

    Source:
        DINO (Caron et al. 2021), k-NN evaluation; used by iBOT too, with k in 10, 20, 100, 200 and
            temperature 0.07. Here weights are relative to the nearest neighbour's: the vote is the same, and
            a small temperature cannot overflow.
    """
    if not len(queries):
        raise ValueError("there are no queries")
    if len(bank_labels) != len(bank) or not len(bank):
        raise ValueError(f"the bank needs rows and one label each, got {len(bank)} and {len(bank_labels)}")
    if bank_labels.min() < 0:
        raise ValueError("the bank holds images without a label")
    ks = cut_ks(ks, len(bank))
    similarities, rows = nearest(queries, bank, ks[-1], num_threads=num_threads, on_card=on_card)
    weights = np.exp((similarities - similarities[:, :1]) / np.float32(temperature))
    num_classes = int(bank_labels.max()) + 1
    blocks = [slice(start, start + VOTE_QUERIES) for start in range(0, len(queries), VOTE_QUERIES)]
    parts = [_rankings(weights[block], bank_labels[rows[block]], ks, num_classes) for block in blocks]
    rankings = [np.concatenate(of_one_k) for of_one_k in zip(*parts, strict=True)]
    return [KnnPredictions(k, ranking[:, 0], ranking) for k, ranking in zip(ks, rankings, strict=True)]


def _rankings(
    weights: np.ndarray, labels: np.ndarray, ks: tuple[int, ...], num_classes: int
) -> list[np.ndarray]:
    """Best classes (q, min(5, C)) for every k, from weights and labels (q, k) by descending similarity."""
    cells = labels + num_classes * np.arange(len(labels))[:, None]
    votes = np.zeros((len(labels), num_classes))
    rankings = []
    for first, last in zip((0, *ks), ks, strict=False):
        new = np.bincount(cells[:, first:last].ravel(), weights[:, first:last].ravel(), minlength=votes.size)
        votes += new.reshape(votes.shape)
        rankings.append(_best_classes(votes, min(5, num_classes)))
    return rankings


def _best_classes(votes: np.ndarray, count: int) -> np.ndarray:
    remaining = votes.copy()
    best = np.empty((len(votes), count), np.int64)
    for place in range(count):
        best[:, place] = remaining.argmax(axis=1)
        np.put_along_axis(remaining, best[:, place : place + 1], -1, axis=1)
    return best
