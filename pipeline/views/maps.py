"""Maps of images in two dimensions, by t-SNE.

Shapes: n images, D channels.
"""

from collections.abc import Mapping

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

_LEAST_MAPPED = 8  # images
_SEED = 0


def maps_of(vectors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Positions (n, 2) float32 of each side's vectors (n, D); empty for fewer than 8 images."""
    return {side: mapped(each) for side, each in vectors.items() if len(each) >= _LEAST_MAPPED}


def mapped(vectors: np.ndarray) -> np.ndarray:
    """Positions (n, 2) float32 of vectors (n, D) in a t-SNE map, n >= 8; their lengths do not count."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    reduced = PCA(min(50, *units.shape), random_state=_SEED).fit_transform(units)
    perplexity = min(30.0, (len(units) - 1) / 3)
    # With so few points, threads wait for each other longer than they compute; the map is the same.
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=_SEED).fit_transform(reduced)
