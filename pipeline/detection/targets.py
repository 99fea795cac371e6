"""Samples anchors for the RPN and boxes for the heads in a training step, with their targets.

Everything is NumPy, without gradients; each image has its own random generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    """Sampled boxes for the heads, of one image or of several one after another."""

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
    usable = np.flatnonzero(anchors.inside(*size) if inner_only else anchors.centered_inside(*size))
    matches = assign(
        anchors.boxes[usable],
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


def sampled_rois(
    rng: np.random.Generator,
    proposals: np.ndarray,
    truth: GroundTruth,
    *,
    image_index: int,
    iou: float,
    num_samples: int,
    num_classes: int,
) -> RoiSamples:
    """Sample boxes of one image from proposals and ground truth; a quarter are positive if there are enough.

    Args:
        proposals: (n, 4) float32.
        iou: a box with at least this IoU with a ground-truth box is positive; else it is background.

    Source: Cascade R-CNN (Cai, Vasconcelos 2018), section 4; mmdetection for adding the ground-truth boxes.
    """
    num_truths = len(truth.boxes)
    boxes = np.concatenate([truth.boxes, proposals]).astype(np.float32)
    matches = assign(boxes, truth.boxes, positive_iou=iou, negative_iou=iou, crowds=truth.crowds)
    rows = np.concatenate(sampled(rng, matches, num_samples, _ROI_POSITIVE_SHARE))
    boxes, found = boxes[rows], matches.truth[rows]
    positive = found >= 0
    labels, targets = np.full(len(rows), num_classes), boxes.copy()
    labels[positive] = truth.classes[found[positive]]
    targets[positive] = truth.boxes[found[positive]]
    return RoiSamples(
        boxes=boxes,
        labels=labels,
        truth=found,
        targets=targets,
        is_truth=rows < num_truths,
        image_index=np.full(len(rows), image_index),
    )


def sampled_rois_of_batch(
    rngs: Sequence[np.random.Generator],
    proposals: Sequence[np.ndarray],
    truths: Sequence[GroundTruth],
    *,
    iou: float,
    num_samples: int,
    num_classes: int,
) -> RoiSamples:
    """The boxes that `sampled_rois` samples from each image, one image after another."""
    return joined(
        [
            sampled_rois(
                rng,
                boxes,
                truth,
                image_index=image,
                iou=iou,
                num_samples=num_samples,
                num_classes=num_classes,
            )
            for image, (rng, boxes, truth) in enumerate(zip(rngs, proposals, truths, strict=True))
        ]
    )


def joined(samples: list[RoiSamples]) -> RoiSamples:
    """The samples of several images, one after another."""
    names = RoiSamples.__dataclass_fields__
    return RoiSamples(**{name: np.concatenate([getattr(s, name) for s in samples]) for name in names})
