"""Samples anchors for the RPN and boxes for the heads in a training step, with their targets.

Everything is NumPy, without gradients; each image has its own random generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.detection.assignment import POSITIVE, assign, sampled
from pipeline.detection.boxes import encode
from pipeline.detection.proposals import Anchors
from pipeline.detection.sizes import RPN_STDS

_RPN_POSITIVE_IOU, _RPN_NEGATIVE_IOU, _RPN_MIN_POSITIVE_IOU = 0.7, 0.3, 0.3
_RPN_POSITIVE_SHARE = 0.5
_ROI_POSITIVE_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The ground truth of one image."""

    boxes: np.ndarray  # (m, 4) float32, pixels of the batch, without crowds
    classes: np.ndarray  # (m,) int64, 0..K-1
    crowds: np.ndarray  # (c, 4) float32
    masks: np.ndarray | None  # (m, H, W) bool; None: unknown


@dataclass(frozen=True, eq=False)
class AnchorSamples:
    """Sampled anchors of one image."""

    rows: np.ndarray  # (n,) int64 among the image's anchors
    positive: np.ndarray  # (n,) bool
    deltas: np.ndarray  # (n, 4) float32, from anchor to ground truth; 0 for negatives


@dataclass(frozen=True, eq=False)
class RoiSamples:
    """Sampled boxes for the heads, one image after another."""

    boxes: np.ndarray  # (n, 4) float32
    labels: np.ndarray  # (n,) int64; K: background
    truth: np.ndarray  # (n,) int64 among the image's truths; -1: background
    targets: np.ndarray  # (n, 4) float32: box of the truth; background: the box itself
    is_truth: np.ndarray  # (n,) bool: a ground-truth box that was added to the proposals
    image_index: np.ndarray  # (n,) int64


def sampled_anchors(
    rng: np.random.Generator,
    anchors: Anchors,
    truth: GroundTruth,
    size: tuple[int, int],
    *,
    num_samples: int,
    inner_only: bool,
) -> AnchorSamples:
    """Sample anchors of one image; half of them are positive if there are enough.

    Args:
        size: (height, width) of the image without padding; anchors centred outside of it are not sampled.
        inner_only: do not sample anchors that reach beyond the image either.

    Source: Faster R-CNN (Ren et al. 2015), section 3.1.2, with the thresholds of iBOT's detection.
    """
    usable, boxes = _usable(anchors, tuple(size), inner_only)
    matches = assign(
        boxes,
        truth.boxes,
        positive_iou=_RPN_POSITIVE_IOU,
        negative_iou=_RPN_NEGATIVE_IOU,
        min_positive_iou=_RPN_MIN_POSITIVE_IOU,
        crowds=truth.crowds,
    )
    positives, negatives = sampled(rng, matches, num_samples, _RPN_POSITIVE_SHARE)
    rows = np.concatenate([positives, negatives])
    positive = matches.label[rows] == POSITIVE
    deltas = np.zeros((len(rows), 4), np.float32)
    if positive.any():
        found = truth.boxes[matches.truth[rows[positive]]]
        deltas[positive] = encode(found, anchors.boxes[usable[rows[positive]]], RPN_STDS)
    return AnchorSamples(usable[rows], positive, deltas)


@lru_cache(maxsize=4)  # sizes often recur, and a large image has hundreds of thousands of anchors
def _usable(anchors: Anchors, size: tuple[int, int], inner_only: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the anchors that may be sampled, and their boxes (n, 4) float64, both read-only."""
    rows = np.flatnonzero(anchors.inside(*size) if inner_only else anchors.centered_inside(*size))
    boxes = anchors.boxes[rows].astype(np.float64)
    for array in (rows, boxes):
        array.setflags(write=False)
    return rows, boxes


def sampled_rois(
    rngs: Sequence[np.random.Generator],
    proposals: Sequence[np.ndarray],
    truths: Sequence[GroundTruth],
    *,
    iou: float,
    num_samples: int,
    num_classes: int,
) -> RoiSamples:
    """Sample boxes of images from proposals and ground truth; a quarter are positive if there are enough.

    Args:
        rngs: of each image.
        proposals: (n, 4) float32 of each image.
        iou: a box with at least this IoU with a ground-truth box is positive; else it is background.
        num_samples: in each image.

    Source: Cascade R-CNN (Cai, Vasconcelos 2018), section 4; mmdetection for adding the ground-truth boxes.
    """
    chosen = [
        _chosen_boxes(rng, np.concatenate([truth.boxes, found]), truth, iou, num_samples)
        for rng, found, truth in zip(rngs, proposals, truths, strict=True)
    ]
    boxes, truth, is_truth = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
    image_index = np.repeat(np.arange(len(chosen)), [len(of_image) for of_image, _, _ in chosen])
    positive = truth >= 0
    starts = np.cumsum([0, *(len(each.boxes) for each in truths)])
    own = starts[image_index[positive]] + truth[positive]
    labels, targets = np.full(len(boxes), num_classes), boxes.copy()
    labels[positive] = np.concatenate([each.classes for each in truths])[own]
    targets[positive] = np.concatenate([each.boxes for each in truths])[own]
    return RoiSamples(boxes, labels, truth, targets, is_truth, image_index)


def _chosen_boxes(
    rng: np.random.Generator, boxes: np.ndarray, truth: GroundTruth, iou: float, num_samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sampled ones of an image's boxes (n, 4), of which its ground truth is first.

    Returns:
        The boxes, the index of their truth or -1, and whether they are the ground truth's.
    """
    matches = assign(boxes, truth.boxes, positive_iou=iou, negative_iou=iou, crowds=truth.crowds)
    rows = np.concatenate(sampled(rng, matches, num_samples, _ROI_POSITIVE_SHARE))
    return boxes[rows], matches.truth[rows], rows < len(truth.boxes)
