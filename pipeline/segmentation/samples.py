"""Predictions for some test images, stored to show arms side by side on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.targets import IGNORED
from pipeline.evaluate.mean_iou import class_areas, set_scores
from pipeline.measures.confusion import confusion_matrix
from pipeline.storage.files import replacing

SAMPLES = "samples.npz"
MOST_SAMPLES = 200  # evenly spaced test images, the same for every arm


@dataclass(frozen=True, eq=False)
class SegmentedSample:
    """A test image as segmented by one network."""

    row: int  # of the data set
    score: float  # mean IoU over the classes of this image; NaN if no pixel is labelled
    class_map: np.ndarray  # (H, W) integers


def image_score(truth: np.ndarray, class_map: np.ndarray, num_classes: int) -> float:
    """Mean IoU of one image over the classes that occur or are predicted; NaN if no pixel is labelled."""
    counted = truth != IGNORED
    confusion = confusion_matrix(truth[counted], class_map[counted], num_classes)
    return float(set_scores(class_areas(confusion))["miou"])


def write_samples(path: Path, samples: Sequence[SegmentedSample]) -> None:
    """Write a compressed .npz: rows (n,), scores (n,) and map_<row> of each."""
    maps = {f"map_{each.row}": each.class_map.astype(np.int16) for each in samples}
    rows = np.array([each.row for each in samples], np.int64)
    scores = np.array([each.score for each in samples], np.float64)
    with replacing(path) as partial, open(partial, "wb") as stream:
        np.savez_compressed(stream, rows=rows, scores=scores, **maps)


def read_scores(path: Path) -> dict[int, float]:
    """Row -> score of every sample whose score is defined."""
    with np.load(path, allow_pickle=False) as stored:
        scores = dict(zip(stored["rows"].tolist(), stored["scores"].tolist(), strict=True))
    return {row: score for row, score in scores.items() if not np.isnan(score)}


def read_class_map(path: Path, row: int) -> np.ndarray:
    """(H, W) int16: the classes predicted for an image."""
    with np.load(path, allow_pickle=False) as stored:
        return stored[f"map_{row}"]
