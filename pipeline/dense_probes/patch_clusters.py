"""k-means clusters of patches, found without labels and matched with classes afterwards.

Shapes: M training patches, Q patches, D channels, K classes and as many clusters.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

SEED = 20  # of the first centres; not an option, so that arms differ only in their features
NUM_STARTS = 3


@dataclass(frozen=True, eq=False)
class PatchClusters:
    """k-means centres of normalised tokens."""

    centers: np.ndarray  # (K, D) float32
    classes: np.ndarray  # (K,) int64: class matched to each cluster; before matching, its number

    @property
    def protocol(self) -> str:
        """Description for the tables."""
        return (
            f"k-means of last tokens of length 1, {len(self.centers)} clusters, matched to classes by IoU on "
            "the test images, one match for all resamples"
        )

    def renamed(self, classes: np.ndarray) -> "PatchClusters":
        """The same clusters with other classes."""
        return replace(self, classes=classes)

    def scores(self, tokens: np.ndarray) -> np.ndarray:
        """(Q, D) -> (Q, K) float32, highest for the nearest centre.

        Linear in the tokens of length one, so that interpolated scores are those of interpolated tokens.
        """
        return 2 * unit_rows(tokens) @ self.centers.T - (self.centers**2).sum(axis=1)


def fit_clusters(tokens: np.ndarray, num_clusters: int) -> PatchClusters:
    """Cluster (M, D) tokens by k-means, the best of three starts; at most M clusters."""
    means = KMeans(min(num_clusters, len(tokens)), n_init=NUM_STARTS, random_state=SEED)
    # One thread: with several, the order of sums and so the last bits depend on their timing.
    with threadpool_limits(1), warnings.catch_warnings():
        # A collapsed backbone has fewer distinct tokens than clusters; then some clusters stay empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(unit_rows(tokens))
    return PatchClusters(means.cluster_centers_.astype(np.float32), np.arange(means.n_clusters))


def match_clusters(confusion: np.ndarray) -> np.ndarray:
    """Match each cluster with a different class so that the sum of IoU is largest.

    Args:
        confusion: (K, C) pixels of each class and cluster, C <= K.

    Returns:
        (C,) int64: class of each cluster.

    Source: the Hungarian match of unsupervised segmentation; matched by IoU, which the score averages.
    """
    union = confusion.sum(axis=1, keepdims=True) + confusion.sum(axis=0, keepdims=True) - confusion
    iou = confusion / np.maximum(union, 1)
    classes, clusters = linear_sum_assignment(-iou)
    return classes[np.argsort(clusters)]


def unit_rows(tokens: np.ndarray) -> np.ndarray:
    """Rows of length one; a zero row stays zero."""
    norms = np.linalg.norm(tokens, axis=1, keepdims=True)
    return tokens / np.maximum(norms, np.finfo(np.float32).tiny)
