"""Segmentation and detection of several arms side by side on the best, median and worst test image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.targets import IGNORED
from pipeline.detection import samples as detected
from pipeline.detection.pictures import Drawn, object_panel
from pipeline.evaluate.overlays import class_colours, fitted, tinted
from pipeline.report.page.thumbnails import data_address
from pipeline.segmentation import samples as segmented

_SIDE = 220  # pixels of a panel


@dataclass(frozen=True)
class Panel:
    """One picture of a row: the image, the ground truth, or an arm's prediction."""

    title: str
    score: float | None
    alt: str
    address: str


@dataclass(frozen=True)
class ComparedImage:
    """A test image with every arm's prediction."""

    rank: str  # "best", "median" or "worst"
    path: str
    panels: list[Panel]


@dataclass(frozen=True)
class ComparedTask:
    """The images of one task, ranked by a measure."""

    title: str
    measure: str
    images: list[ComparedImage]
    legend: list[tuple[str, str]]  # (class, colour as "#rrggbb") of the shown label maps


def ranked(scores: Mapping[str, Mapping[int, float]]) -> dict[str, int]:
    """Rank -> image, by the mean score over the arms, the first of equal ones. Empty if no image is shared.

    Args:
        scores: arm -> image -> score.
    """
    shared = sorted(set.intersection(*(set(of) for of in scores.values()))) if scores else []
    means = {image: float(np.mean([of[image] for of in scores.values()])) for image in shared}
    order = sorted(shared, key=lambda image: -means[image])
    if not order:
        return {}
    indices = {"best": 0, "median": (len(order) - 1) // 2, "worst": len(order) - 1}
    found: dict[str, int] = {}
    for rank, index in indices.items():
        if order[index] not in found.values():
            found[rank] = order[index]
    return found


def segmented_images(title: str, runs: Mapping[str, Path], dataset: PreparedDataset) -> ComparedTask | None:
    """The images of a segmentation task; None if the runs kept no predictions.

    Args:
        runs: arm -> artifact.
    """
    files = _kept(runs, segmented.SAMPLES)
    scores = {arm: segmented.read_scores(path) for arm, path in files.items()}
    colours, shown, images = class_colours(len(dataset.class_names)), set(), []
    for rank, row in ranked(scores).items():
        image, path = dataset.image(row), dataset.path(row)
        maps = {"truth": dataset.label_map(row)}
        maps |= {arm: segmented.read_class_map(file, row) for arm, file in files.items()}
        panels = [_panel("image", None, image, path)]
        for name, labels in maps.items():
            score = scores[name][row] if name in scores else None
            panels.append(_panel(name, score, tinted(image, labels, colours), path))
            shown |= {*np.unique(labels).tolist()} - {IGNORED}
        images.append(ComparedImage(rank, path, panels))
    legend = [(dataset.class_names[label], f"#{bytes(colours[label]).hex()}") for label in sorted(shown)]
    return ComparedTask(title, "mIoU of the image", images, legend) if images else None


def detected_images(title: str, runs: Mapping[str, Path], dataset: PreparedDataset) -> ComparedTask | None:
    """The images of a detection task; None if the runs kept no predictions. See `segmented_images`."""
    kept = {arm: detected.read_samples(path) for arm, path in _kept(runs, detected.SAMPLES).items()}
    scores = {arm: {row: each.score for row, each in of.items()} for arm, of in kept.items()}
    colours, images = class_colours(len(dataset.class_names)), []
    for rank, row in ranked(scores).items():
        image, truth = dataset.image(row), dataset.objects(row)
        drawn = {"truth": Drawn(truth.boxes, truth.classes, truth.segments, crowd=truth.crowd)}
        drawn |= {arm: of[row].found for arm, of in kept.items()}
        panels = []
        for name, objects in drawn.items():
            every = np.arange(len(objects.boxes))
            picture = object_panel(image, objects, every, colours, dataset.class_names, _SIDE)
            score = scores[name][row] if name in scores else None
            panels.append(_panel(name, score, np.asarray(picture), dataset.path(row)))
        images.append(ComparedImage(rank, dataset.path(row), panels))
    measure = "share of the objects that the best detections find, as many as there are, at IoU 0.5"
    return ComparedTask(title, measure, images, []) if images else None


def _kept(runs: Mapping[str, Path], name: str) -> dict[str, Path]:
    """Arm -> file of that name, for the runs that have one."""
    return {arm: folder / name for arm, folder in runs.items() if (folder / name).is_file()}


def _panel(title: str, score: float | None, picture: np.ndarray, path: str) -> Panel:
    told = "" if score is None else f", {100 * score:.0f} %"
    alt = f"{path}: {title}{told}"
    return Panel(title, score, alt, data_address(np.asarray(fitted(picture, _SIDE)), _SIDE))
