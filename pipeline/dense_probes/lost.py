"""LOST: one object per image from the keys of a self-supervised ViT, without any training."""

import numpy as np

from pipeline.dense_probes.patch_boxes import component_of


def lost_object(keys: np.ndarray, grid: tuple[int, int], share: float) -> np.ndarray:
    """Patches of the object that LOST finds.

    Args:
        keys: (N, D), keys of the last block, heads joined, CLS left out; row by row of the grid.
        grid: (h, w), h w = N.
        share: of the patches, those of lowest degree that the seed may grow by.

    Returns:
        (h, w) bool, one connected component, never empty.

    Source: Simeoni et al. 2021, "Localizing Objects with Self-Supervised Transformers and no Labels". The
    degree of a patch is the number of others with a positive product; the seed is the patch of lowest degree
    (of equals the first); it grows by the patches of positive product with it among the lowest degrees; the
    object is every patch of positive product with their sum, connected with the seed. Deviation: a share of
    the patches instead of the paper's k = 100, which only suits its image sizes.
    """
    keys = keys.astype(np.float64)
    products = keys @ keys.T
    positive = products > 0
    degrees = positive.sum(axis=1) - positive.diagonal()
    by_degree = np.argsort(degrees, kind="stable")
    seed = int(by_degree[0])
    lowest = by_degree[: max(1, round(share * len(keys)))]
    grown = lowest[positive[seed, lowest]]
    marked = products[grown].sum(axis=0) > 0
    marked[seed] = True  # also where its key is zero
    return component_of(marked.reshape(grid), seed)
