"""What features see: a map of the test images, and the nearest neighbours of a few."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.neighbours import nearest
from pipeline.report.page.thumbnails import data_address

NUM_MAPPED = 400  # images of a map: more hide one another, and make the page heavy
NUM_QUERIES, NUM_NEIGHBOURS = 6, 6
_SIDE = 48  # pixels of a thumbnail
_SEED = 0


@dataclass(frozen=True)
class Neighbours:
    """A test image and the training images nearest to it."""

    query: dict[str, Any]  # image, class, path
    nearest: list[dict[str, Any]]  # likewise, with the cosine, nearest first


def chosen_rows(num_images: int, most: int) -> np.ndarray:
    """Positions 0..num_images - 1, or as many of them as are wanted, evenly."""
    return np.unique(np.linspace(0, num_images - 1, min(most, num_images)).round().astype(int))


def mapped(
    features: np.ndarray, index: np.ndarray, labels: np.ndarray, dataset: PreparedDataset
) -> list[dict[str, Any]]:
    """Points of a feature map by t-SNE.

    Args:
        features: (n, D) of the test images.
        index: (n,) rows of the data set.
        labels: (n,), below 0 where there is none.
    """
    chosen = chosen_rows(len(features), NUM_MAPPED)
    if len(chosen) < 8:  # of fewer, t-SNE makes nothing
        return []
    units = _units(features[chosen])
    reduced = PCA(min(50, *units.shape), random_state=_SEED).fit_transform(units)
    perplexity = min(30.0, (len(chosen) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="pca", random_state=_SEED).fit_transform(reduced)
    return [
        {"x": round(float(x), 2), "y": round(float(y), 2), **_shown(dataset, int(index[i]), int(labels[i]))}
        for (x, y), i in zip(places, chosen, strict=True)
    ]


def neighbours(
    train: tuple[np.ndarray, np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray, np.ndarray],
    dataset: PreparedDataset,
) -> list[Neighbours]:
    """Nearest training images by cosine, of a few test images that are the same for every arm.

    Args:
        train, test: features (n, D), rows of the data set (n,), labels (n,).
    """
    features, index, labels = test
    queries = chosen_rows(len(features), NUM_QUERIES)
    cosines, rows = nearest(features[queries], train[0], min(NUM_NEIGHBOURS, len(train[0])))
    found = []
    for query, of_query, similar in zip(queries, rows, cosines, strict=True):
        found.append(
            Neighbours(
                _shown(dataset, int(index[query]), int(labels[query])),
                [
                    _shown(dataset, int(train[1][i]), int(train[2][i])) | {"cosine": float(cosine)}
                    for i, cosine in zip(of_query, similar, strict=True)
                ],
            )
        )
    return found


def _shown(dataset: PreparedDataset, row: int, label: int) -> dict[str, Any]:
    name = dataset.class_names[label] if 0 <= label < len(dataset.class_names) else "no label"
    return {
        "image": data_address(dataset.picture(row, at_least=_SIDE), _SIDE),
        "class": name,
        "path": dataset.path(row),
    }


def _units(features: np.ndarray) -> np.ndarray:
    features = features.astype(np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
