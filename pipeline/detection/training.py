"""Computes the losses of Cascade Mask R-CNN for a batch."""

from collections import defaultdict
from collections.abc import Iterator

import jittor as jt
import numpy as np

from pipeline.detection.batches import DetectBatch
from pipeline.detection.box_stages import (
    Stage,
    box_losses,
    mask_loss,
    mask_rows,
    refined_boxes,
    refined_classes,
)
from pipeline.detection.cascade import CascadeMaskRcnn
from pipeline.detection.levels import Levels
from pipeline.detection.losses import KnownLoss, Output, with_gradients
from pipeline.detection.roi_align import RoiAlign
from pipeline.detection.roi_heads import BoxHead, MaskHead
from pipeline.detection.rpn import rpn_losses
from pipeline.detection.sizes import BOX_BINS, MASK_BINS
from pipeline.detection.targets import RoiSamples, sampled_anchors, sampled_rois
from pipeline.ranks.whole_batch import mean_count


def detection_losses(
    network: CascadeMaskRcnn, batch: DetectBatch, drop_path_scales: jt.Var | None = None
) -> dict[str, jt.Var]:
    """Weighted loss terms, each (1,) and finite for any images; the stages' terms are summed.

    Args:
        drop_path_scales: (depth, 2, B) stochastic depth of the backbone, or None.

    Returns:
        "loss_objectness" and "loss_anchors" of the proposal network; "loss_classes", "loss_boxes" and, where
        the network has masks, "loss_masks" of the stages.
    """
    config = network.config
    rngs = [np.random.default_rng(seed) for seed in batch.sample_seeds.tolist()]
    levels = network.levels(jt.array(batch.images), drop_path_scales)
    outputs, anchors = Output.read(network.heads.rpn(levels)), network.heads.rpn.anchors(levels)
    found = network.proposals(outputs.numbers, levels, batch.sizes, training=True)
    samples = [
        sampled_anchors(
            rng,
            anchors,
            truth,
            size,
            num_samples=config.rpn_samples,
            inner_only=config.inner_anchors_only,
        )
        for rng, truth, size in zip(rngs, batch.truths, batch.sizes.tolist(), strict=True)
    ]
    terms = defaultdict(list)
    objectness, deltas = rpn_losses(outputs, network.heads.rpn.places(levels), samples)
    terms["loss_objectness"].append(objectness)
    terms["loss_anchors"].append(deltas)
    for name, term in _stage_losses(network, batch, rngs, levels, found):
        terms[name].append(term)
    return with_gradients(terms)


def _stage_losses(
    network: CascadeMaskRcnn,
    batch: DetectBatch,
    rngs: list[np.random.Generator],
    levels: Levels,
    found: list[np.ndarray],
) -> Iterator[tuple[str, KnownLoss]]:
    """Name and weighted term of every loss of every stage; `found` holds the proposals of each image."""
    config, pool = network.config, network.roi_align(levels)
    for index, stage in enumerate(network.stages):
        rois = sampled_rois(
            rngs,
            found,
            batch.truths,
            iou=stage.iou,
            num_samples=config.roi_samples,
            num_classes=network.num_classes,
        )
        count = mean_count(len(rois.boxes))
        if count and not len(rois.boxes):
            if not np.isfinite(levels.table.numpy()).all():
                raise FloatingPointError(
                    f"features of the images {', '.join(batch.names)} are not finite: a lower "
                    "detection.schedule.lr may help"
                )
            raise ValueError(
                f"crowds cover the images {', '.join(batch.names)}, all that this rank has of a batch; other "
                "ranks would wait for it in vain: needs runtime.devices = 1, or larger batches"
            )
        if not count:
            # Crowds cover everything; later stages would have no boxes either.
            terms = ["loss_classes", "loss_boxes"] + ["loss_masks"] * bool(len(network.heads.masks))
            yield from ((name, KnownLoss.nothing(levels.table)) for name in terms)
            return
        head = network.heads.boxes[index]
        logits, deltas = map(
            Output.read, head(pool(rois.boxes, rois.image_index, BOX_BINS, channels_first=True))
        )
        classes, boxes = box_losses(head, logits, deltas, rois, stage, count)
        yield "loss_classes", stage.weight * classes
        yield "loss_boxes", stage.weight * boxes
        for mask_head in network.mask_heads(index):
            weight = stage.weight if config.mask_heads == "each" else 1.0
            yield "loss_masks", weight * _mask_loss(pool, mask_head, rois, batch)
        if index + 1 < len(network.stages):
            found = _refined(head, logits.numbers, deltas.numbers, rois, stage, batch.sizes)


def _mask_loss(pool: RoiAlign, head: MaskHead, rois: RoiSamples, batch: DetectBatch) -> KnownLoss:
    rows = mask_rows(rois, batch.truths)
    count = mean_count(len(rows))
    if not len(rows):
        # A box without a loss keeps the head in the graph.
        pooled = pool(rois.boxes[:1], rois.image_index[:1], MASK_BINS)
        return KnownLoss.nothing(head(pooled, np.zeros(1, np.int64)))
    boxes, images, truth = rois.boxes[rows], rois.image_index[rows], rois.truth[rows]
    logits = head(pool(boxes, images, MASK_BINS), rois.labels[rows])
    masks = [batch.truths[image].masks[index] for image, index in zip(images, truth, strict=True)]
    return mask_loss(logits, boxes, masks, count)


def _refined(
    head: BoxHead,
    logits: np.ndarray,
    deltas: np.ndarray,
    rois: RoiSamples,
    stage: Stage,
    sizes: np.ndarray,
) -> list[np.ndarray]:
    """Proposals for the next stage: this stage's refined boxes, without those added from the ground truth."""
    rows = np.flatnonzero(~rois.is_truth)
    classes, images = refined_classes(logits, rois.labels)[rows], rois.image_index[rows]
    found = refined_boxes(head, deltas[rows], rois.boxes[rows], classes, stage, sizes[images])
    ends = np.cumsum(np.bincount(images, minlength=len(sizes)))
    return np.split(found, ends[:-1])
