"""Views of features: attention, PCA colours, a t-SNE map of test images, nearest neighbours of a few.

Shapes: n images, D channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from pipeline.datasets.multilabel import label_words
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.neighbours import nearest
from pipeline.report.page.charts.features import feature_map
from pipeline.report.page.figures import Figure
from pipeline.report.page.pictures import Picture, picture_of
from pipeline.report.page.thumbnails import data_address
from pipeline.views.files import ATTENTION, COLOURS, Views, read_views

NUM_QUERIES, NUM_NEIGHBOURS = 6, 6
_LEAST_MAPPED = 8  # images, for a t-SNE map
_SIDE = 48  # pixels of a thumbnail
_SEED = 0
_CAPTIONS = {
    ATTENTION: "what the CLS token of the last block attends to, by head; white: the most in this image, "
    "black: nothing",
    COLOURS: "the first three principal components of the patch tokens as red, green and blue",
}

Shown = dict[str, Any]  # image (its data address), class, labelled, path


@dataclass(frozen=True)
class Neighbours:
    """An image and the training images nearest to it."""

    query: Shown
    nearest: list[Shown]  # with the cosine, nearest first


@dataclass(frozen=True)
class Side:
    """The vectors of one side of a network, base or auxiliary head."""

    title: str  # "hssl, auxiliary head"
    map: Figure | None
    neighbours: list[Neighbours]  # empty if the shown images are training images


@dataclass(frozen=True)
class FeatureViews:
    """The views of one arm's network."""

    arm: str
    part: str  # split of the images
    num_bank: int  # training images in which neighbours are searched
    pictures: list[Picture]
    sides: list[Side]


def feature_views(
    runs: Mapping[str, Path], dataset: PreparedDataset, purpose: str
) -> tuple[list[FeatureViews], dict[str, Shown]]:
    """The views of several arms' networks on a sample of images.

    Args:
        runs: arm -> artifact of the stage `views`.
        purpose: of the data set; prefix of the thumbnails' names.

    Returns:
        The views of each arm, and the images on the maps by name, shared by all arms.

    Raises:
        ValueError: an artifact is incomplete.
    """

    @cache
    def shown(row: int) -> Shown:
        label = label_words(dataset, row)
        return {
            "image": data_address(dataset.picture(row, at_least=_SIDE), _SIDE),
            "class": label or "no label",
            "labelled": bool(label),
            "path": dataset.path(row),
        }

    found, thumbnails = [], {}
    for arm, folder in runs.items():
        views = read_views(folder)
        images = {f"{purpose}-{row}": shown(row) for row in views.rows.tolist()}
        sides = []
        for side, vectors in views.vectors.items():
            title = f"{arm}, {side}"
            if len(images) >= _LEAST_MAPPED:
                thumbnails |= images
                figure = _map(title, views.part, vectors, images)
            else:
                figure = None
            near = nearest_rows(views, side)
            sides.append(Side(title, figure, [_neighbours(shown, *each) for each in near]))
        pictures = [
            picture_of(folder / name, f"{arm}: {caption}")
            for name, caption in _CAPTIONS.items()
            if (folder / name).is_file()
        ]
        found.append(FeatureViews(arm, views.part, len(views.bank_rows), pictures, sides))
    return found, thumbnails


def mapped(vectors: np.ndarray) -> np.ndarray:
    """Positions (n, 2) of vectors (n, D) in a t-SNE map, n >= 8."""
    units = _units(vectors)
    reduced = PCA(min(50, *units.shape), random_state=_SEED).fit_transform(units)
    perplexity = min(30.0, (len(units) - 1) / 3)
    # With so few points, threads wait for each other longer than they compute; the map is the same.
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=_SEED).fit_transform(reduced)


def nearest_rows(views: Views, side: str) -> list[tuple[int, list[tuple[int, float]]]]:
    """The nearest training images of a few images, which are the same for every arm and side.

    Returns:
        (row, [(row, cosine), ...]), rows of the data set, nearest first; empty without training images.
    """
    vectors, bank = views.vectors[side], views.bank[side]
    if not len(bank):
        return []
    queries = np.unique(np.linspace(0, len(vectors) - 1, min(NUM_QUERIES, len(vectors))).round().astype(int))
    cosines, indices = nearest(vectors[queries], bank, min(NUM_NEIGHBOURS, len(bank)))
    rows, others = views.rows[queries].tolist(), views.bank_rows[indices].tolist()
    return [
        (row, [*zip(of_row, similar, strict=True)])
        for row, of_row, similar in zip(rows, others, cosines.tolist(), strict=True)
    ]


def _neighbours(shown: Any, row: int, near: list[tuple[int, float]]) -> Neighbours:
    return Neighbours(shown(row), [shown(other) | {"cosine": cosine} for other, cosine in near])


def _map(title: str, part: str, vectors: np.ndarray, images: Mapping[str, Shown]) -> Figure:
    positions = mapped(vectors).tolist()
    values = [
        {"x": round(x, 2), "y": round(y, 2), "image": name, "class": each["class"], "path": each["path"]}
        for (x, y), (name, each) in zip(positions, images.items(), strict=True)
    ]
    return feature_map(title, part, values)


def _units(features: np.ndarray) -> np.ndarray:
    features = features.astype(np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
