"""k-NN classification of patches by labelled training patches.

Shapes: M training patches, Q patches, D channels, K classes, k neighbours.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.dense_probes.patch_sample import PatchSample
from pipeline.evaluate.knn import classify, cut_ks
from pipeline.evaluate.neighbours import nearest

DEFAULT_K = 20  # if there are no validation patches to choose it on


@dataclass(frozen=True, eq=False)
class PatchNeighbours:
    """Votes of the k nearest training patches.

    Source: the k-NN protocol of DINO and iBOT (`pipeline.evaluate.knn`), applied to patches; close to the
    distance matching of ImageNet-S.
    """

    bank: PatchSample
    num_classes: int
    k: int
    temperature: float
    num_threads: int

    @property
    def classes(self) -> np.ndarray:
        """(K,) int64: class of each column of the scores."""
        return np.arange(self.num_classes)

    @property
    def protocol(self) -> str:
        """Description for the tables."""
        return f"k-NN of last tokens, cosine, T={self.temperature:g}, k={self.k}"

    def scores(self, tokens: np.ndarray) -> np.ndarray:
        """(Q, D) -> shares of the votes (Q, K) float32; cosine s votes with exp(s / temperature)."""
        similarities, rows = nearest(tokens, self.bank.tokens, self.k, num_threads=self.num_threads)
        weights = np.exp((similarities - similarities[:, :1]) / np.float32(self.temperature))
        weights /= weights.sum(axis=1, keepdims=True)
        cells = self.bank.labels[rows] + self.num_classes * np.arange(len(tokens))[:, None]
        votes = np.bincount(cells.ravel(), weights.ravel(), minlength=len(tokens) * self.num_classes)
        return votes.reshape(len(tokens), self.num_classes).astype(np.float32)


def choose_k(
    train: PatchSample,
    validation: PatchSample | None,
    *,
    ks: tuple[int, ...],
    temperature: float,
    num_threads: int,
) -> int:
    """The k of highest validation accuracy, the lowest in a tie; without validation, the nearest to 20."""
    ks = cut_ks(ks, len(train))
    if len(ks) == 1:
        return ks[0]
    if validation is None:
        return min(ks, key=lambda k: abs(k - DEFAULT_K))
    voted = classify(
        validation.tokens,
        train.tokens,
        train.labels,
        ks=ks,
        temperature=temperature,
        num_threads=num_threads,
    )
    return max(voted, key=lambda of_k: np.mean(of_k.classes == validation.labels)).k
