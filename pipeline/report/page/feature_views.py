"""Views of features: attention, PCA colours, a map of test images, nearest neighbours of a few."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.multilabel import label_words
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.neighbours import nearest
from pipeline.report.page.charts.features import feature_map
from pipeline.report.page.figures import Figure
from pipeline.report.page.pictures import Picture, picture_of
from pipeline.report.page.thumbnails import data_address
from pipeline.views.files import ATTENTION, COLOURS, Views, read_views

NUM_QUERIES, NUM_NEIGHBOURS = 6, 6
_SIDE = 48  # pixels of a thumbnail
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
        for side in views.vectors:
            title = f"{arm}, {side}"
            figure = None
            if side in views.maps:
                thumbnails |= images
                figure = _map(title, views.part, views.maps[side], images)
            near = nearest_rows(views, side)
            sides.append(Side(title, figure, [_neighbours(shown, *each) for each in near]))
        pictures = [
            picture_of(folder / name, f"{arm}: {caption}")
            for name, caption in _CAPTIONS.items()
            if (folder / name).is_file()
        ]
        found.append(FeatureViews(arm, views.part, len(views.bank_rows), pictures, sides))
    return found, thumbnails


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


def _map(title: str, part: str, positions: np.ndarray, images: Mapping[str, Shown]) -> Figure:
    values = [
        {"x": round(x, 2), "y": round(y, 2), "image": name, "class": each["class"], "path": each["path"]}
        for (x, y), (name, each) in zip(positions.tolist(), images.items(), strict=True)
    ]
    return feature_map(title, part, values)
