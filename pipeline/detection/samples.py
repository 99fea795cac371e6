"""Stores detections in some test images, so that arms can be shown side by side on the same images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.targets import Objects
from pipeline.detection.pictures import Drawn
from pipeline.evaluate.average_precision import Detections
from pipeline.evaluate.precision_resampling import greedy_matches
from pipeline.storage.files import read_json, write_text

SAMPLES = "samples.json"
MOST_SAMPLES = 200  # test images, spaced evenly: the same for all arms
_IOU = 0.5  # from which on a detection matches an object


@dataclass(frozen=True, eq=False)
class DetectedSample:
    """A test image with a network's best detections in it, as many as there are objects."""

    row: int  # of the data set
    score: float  # share of the objects that these match; NaN without objects
    found: Drawn


def best_detections(found: Detections, num_objects: int) -> Drawn:
    """The detections with the highest scores, as many as there are objects."""
    best = np.argsort(-found.scores, kind="stable")[:num_objects]
    segments = tuple(found.masks[i] if found.masks is not None else None for i in best)
    return Drawn(found.boxes[best], found.classes[best], segments, found.scores[best])


def share_found(truth: Objects, found: Drawn) -> float:
    """Share of the objects whose box a detection of their class overlaps with an IoU of 0.5 or more.

    Crowds do not count as objects, nor detections in them as mistakes. NaN without objects.
    """
    num_objects = int(np.count_nonzero(~truth.crowd))
    if not num_objects:
        return float("nan")
    if not len(found.boxes):
        return 0.0
    boxes = [_corner_and_size(boxes) for boxes in (found.boxes, truth.boxes)]
    ious = np.array(run_lengths.iou(*boxes, truth.crowd.astype(np.uint8).tolist()))
    ious = np.where(found.classes[:, None] == truth.classes[None], ious.reshape(len(found.boxes), -1), 0.0)
    hit, _ = greedy_matches(ious, truth.crowd, np.array([_IOU]))
    return float(hit.sum() / num_objects)


def write_samples(path: Path, samples: Sequence[DetectedSample]) -> None:
    """Write JSON: for each sample row, score (null: none), boxes, classes, scores and segments."""
    write_text(path, json.dumps([_as_json(each) for each in samples]))


def read_samples(path: Path) -> dict[int, DetectedSample]:
    """The samples that have a score, by row."""
    return {
        each["row"]: DetectedSample(
            each["row"],
            each["score"],
            Drawn(
                np.array(each["boxes"], np.float32).reshape(-1, 4),
                np.array(each["classes"], np.int64),
                tuple(each["segments"]),
                np.array(each["scores"], np.float32),
            ),
        )
        for each in read_json(path)
        if each["score"] is not None
    }


def _corner_and_size(boxes: np.ndarray) -> np.ndarray:
    boxes = boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _as_json(sample: DetectedSample) -> dict[str, Any]:
    found = sample.found
    return {
        "row": sample.row,
        "score": None if np.isnan(sample.score) else sample.score,
        "boxes": found.boxes.tolist(),
        "classes": found.classes.tolist(),
        "scores": found.scores.tolist(),
        "segments": [
            segment and {**segment, "counts": _text(segment["counts"])} for segment in found.segments
        ],
    }


def _text(counts: bytes | str) -> str:
    return counts.decode("ascii") if isinstance(counts, bytes) else counts
