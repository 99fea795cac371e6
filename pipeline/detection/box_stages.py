"""The stages of the cascade: losses, refinement of boxes, and the final selection.

Shapes: n boxes (RoIs), K classes; the class K is the background.
"""

import jittor as jt
import numpy as np

from pipeline.detection.boxes import clipped, decode, decode_gradient
from pipeline.detection.losses import KnownLoss, Output, binary_cross_entropy, cross_entropy, giou_loss
from pipeline.detection.masks import mask_targets
from pipeline.detection.nms import nms
from pipeline.detection.roi_heads import BoxHead, parts_of_masks
from pipeline.detection.sizes import GIOU_WEIGHT, MASK_SIZE, Stage
from pipeline.detection.targets import GroundTruth, RoiSamples


def box_losses(
    head: BoxHead,
    logits: Output,
    deltas: Output,
    rois: RoiSamples,
    stage: Stage,
    count: float | None = None,
) -> tuple[KnownLoss, KnownLoss]:
    """Cross-entropy of the classes and GIoU loss of the positive boxes, both divided by all sampled boxes.

    Args:
        logits: (n, K + 1), deltas: (n, K or 1, 4) of `head`, n > 0.
        count: of sampled boxes, by which both are divided; None: n.

    Source: iBOT's detection: GIoU of decoded boxes, weight 10, averaged over positive and negative boxes.
    """
    count = count or len(rois.boxes)
    losses, slopes = cross_entropy(logits.numbers, rois.labels)
    classes = KnownLoss(losses.sum() / count, logits.var, slopes / count)
    # The gradient has all rows: that of a negative box is 0.
    rows, positive = head.box_rows(rois.labels), rois.truth >= 0
    of_class = deltas.numbers.reshape(-1, 4)[rows[positive]]
    proposals = rois.boxes[positive]
    refined = decode(of_class, proposals, stage.stds)
    distances, slopes = giou_loss(refined, rois.targets[positive])
    gradient = np.zeros((deltas.numbers.size // 4, 4))
    gradient[rows[positive]] = decode_gradient(slopes, of_class, proposals, stage.stds)
    factor = GIOU_WEIGHT / count
    gradient = factor * gradient.reshape(deltas.numbers.shape)
    return classes, KnownLoss(factor * distances.sum(), deltas.var, gradient)


def mask_rows(rois: RoiSamples, truths: list[GroundTruth]) -> np.ndarray:
    """Rows of the positive boxes whose ground-truth object has a mask."""
    known = np.array([truth.masks is not None for truth in truths])
    return np.flatnonzero((rois.truth >= 0) & known[rois.image_index])


def mask_loss(
    logits: jt.Var, boxes: np.ndarray, masks: list[np.ndarray], count: float | None = None
) -> KnownLoss:
    """Cross-entropy of predicted with ground-truth masks: the mean over boxes and cells, in nats.

    Args:
        logits: (n, 14, 14, 2, 2) of the true class, as `MaskHead` gives them; n > 0.
        boxes: (n, 4).
        masks: n of (H, W) bool.
        count: of boxes over which the mean is taken; None: n.
    """
    targets = parts_of_masks(mask_targets(masks, boxes, MASK_SIZE))
    losses, slopes = binary_cross_entropy(logits.numpy(), targets)
    cells = (count or len(boxes)) * MASK_SIZE**2
    return KnownLoss(losses.sum(dtype=np.float64) / cells, logits, slopes / cells)


def refined_boxes(
    head: BoxHead,
    deltas: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    stage: Stage,
    sizes: np.ndarray,
) -> np.ndarray:
    """Boxes (n, 4), refined by a stage with the deltas of their class, each clipped to its image.

    Args:
        deltas: (n, K or 1, 4).
        classes: (n,) in 0..K-1.
        sizes: (n, 2), height and width of each box's image.
    """
    rows = deltas.reshape(-1, 4)[head.box_rows(classes)]
    return clipped(decode(rows, boxes, stage.stds), *sizes.T)


def refined_classes(logits: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """The class whose deltas refine each box: its label, or the most likely class if that is background.

    Args:
        logits: (n, K + 1).
        labels: (n,) in 0..K; None at test time.

    Returns:
        (n,) int64 in 0..K-1.
    """
    likeliest = logits[:, :-1].argmax(axis=1)
    return likeliest if labels is None else np.where(labels < logits.shape[1] - 1, labels, likeliest)


def best_boxes(
    head: BoxHead,
    scores: np.ndarray,
    deltas: np.ndarray,
    boxes: np.ndarray,
    size: tuple[int, int],
    *,
    stage: Stage,
    score_threshold: float,
    nms_iou: float,
    most: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The detections in one image, after non-maximum suppression.

    Args:
        scores: (n, K + 1) in [0, 1].
        deltas: (n, K or 1, 4) of the last stage.
        boxes: (n, 4) boxes that the deltas refine.

    Returns:
        boxes (k, 4), scores (k,) and classes (k,) int64, by descending score, k <= most. A box may appear
        with several classes; boxes of the same class overlap by at most `nms_iou`.
    """
    rows, classes = np.nonzero(scores[:, :-1] > score_threshold)
    kept_scores = scores[rows, classes]
    chosen = deltas[rows, classes % head.num_boxes]
    refined = clipped(decode(chosen, boxes[rows], stage.stds), *size)
    solid = (refined[:, 2:] > refined[:, :2]).all(axis=1)
    refined, kept_scores, classes = refined[solid], kept_scores[solid], classes[solid]
    kept = nms(refined, kept_scores, nms_iou, classes=classes)[:most]
    return refined[kept], kept_scores[kept], classes[kept]
