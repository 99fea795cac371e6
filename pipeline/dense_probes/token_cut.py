"""TokenCut: one object per image by a normalised cut of the graph of patches."""

import numpy as np
from scipy.linalg import eigh

from pipeline.dense_probes.patch_boxes import component_of
from pipeline.dense_probes.patch_clusters import unit_rows

WEAK_EDGE = 1e-5  # weight between dissimilar patches; keeps the graph connected


def token_cut_object(keys: np.ndarray, grid: tuple[int, int], threshold: float) -> np.ndarray:
    """Patches of the object that TokenCut finds.

    Args:
        keys: (N, D), N >= 2, keys of the last block, heads joined, CLS left out; row by row of the grid.
        grid: (h, w), h w = N.
        threshold: cosine similarity above which two patches are joined by an edge of weight 1.

    Returns:
        (h, w) bool, one connected component, never empty.

    Source: Wang et al. 2022, "Self-Supervised Transformers for Unsupervised Object Discovery using Normalized
    Cut": the second smallest solution of (D - A) v = lambda D v is split at its mean; the object is the
    component that contains the entry of largest magnitude, among the entries on its side.
    """
    unit = unit_rows(keys.astype(np.float64))
    edges = np.where(unit @ unit.T > threshold, 1.0, WEAK_EDGE)
    degrees = edges.sum(axis=1)
    vector = eigh(np.diag(degrees) - edges, np.diag(degrees), subset_by_index=[1, 1])[1][:, 0]
    seed = int(np.abs(vector).argmax())
    above = vector > vector.mean()
    marked = above if above[seed] else ~above
    return component_of(marked.reshape(grid), seed)
