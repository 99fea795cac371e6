"""Detects objects in images with a trained Cascade Mask R-CNN."""

from dataclasses import dataclass

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.detection.box_stages import best_boxes, refined_boxes, refined_classes
from pipeline.detection.cascade import CascadeMaskRcnn
from pipeline.detection.roi_align import RoiAlign
from pipeline.detection.roi_heads import whole_masks
from pipeline.detection.sizes import BOX_BINS, MASK_BINS, MASK_SIZE

_MASKS_AT_ONCE = 256  # boxes; several copies of a 28 x 28 map of each are in memory


@dataclass(frozen=True, eq=False)
class RawDetections:
    """A network's detections in one image, at most `max_detections`, by descending score."""

    boxes: np.ndarray  # (k, 4) float32, pixels of the image that the network saw
    scores: np.ndarray  # (k,) float32 in [0, 1]
    classes: np.ndarray  # (k,) int64, 0..K-1
    masks: np.ndarray | None  # (k, 28, 28) float32, probabilities within each box; None: boxes only


def detect(network: CascadeMaskRcnn, images: np.ndarray, sizes: np.ndarray) -> list[RawDetections]:
    """Detect the objects of each image.

    Class probabilities are averaged over the stages, boxes are those of the last stage, mask probabilities
    are averaged over the mask heads. Boxes are inside their image, never in its padding.

    Args:
        network: in evaluation mode.
        images: (B, 3, H, W) float32, padded to the right and below.
        sizes: (B, 2): height and width of each image without padding.

    Source: Cascade R-CNN (Cai, Vasconcelos 2018), section 4.3. Deviation from mmdetection, which averages
        logits: the paper's average of probabilities.
    """
    with jt.no_grad():
        levels = network.levels(jt.array(images))
        outputs = network.heads.rpn(levels)
        proposals = network.proposals(outputs.numpy(), levels, sizes, training=False)
        pool = network.roi_align(levels)
        found = _found_boxes(network, pool, proposals, sizes)
        masks = _found_masks(network, pool, found) if len(network.heads.masks) else [None] * len(found)
    return [RawDetections(*parts, of_image) for parts, of_image in zip(found, masks, strict=True)]


def _found_boxes(
    network: CascadeMaskRcnn, pool: RoiAlign, proposals: list[np.ndarray], sizes: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes, scores and classes of each image."""
    counts = [len(boxes) for boxes in proposals]
    if not sum(counts):
        empty = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        return [empty] * len(counts)
    ends, image_index = np.cumsum(counts)[:-1], np.repeat(np.arange(len(counts)), counts)
    boxes, scores = np.concatenate(proposals), 0
    for index, (head, stage) in enumerate(zip(network.heads.boxes, network.stages, strict=True)):
        logits, deltas = head(pool(boxes, image_index, BOX_BINS, channels_first=True))
        scores = scores + nn.softmax(logits, dim=1).numpy() / len(network.stages)
        deltas = deltas.numpy()
        if index + 1 < len(network.stages):
            classes = refined_classes(logits.numpy())
            boxes = refined_boxes(head, deltas, boxes, classes, stage, sizes[image_index])
    config, parts = network.config, [np.split(array, ends) for array in (scores, deltas, boxes)]
    return [
        best_boxes(
            head,
            *arrays,
            stage=stage,
            score_threshold=config.score_threshold,
            nms_iou=config.nms_iou,
            most=config.max_detections,
        )
        for arrays in zip(*parts, sizes.tolist(), strict=True)
    ]


def _found_masks(
    network: CascadeMaskRcnn, pool: RoiAlign, found: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> list[np.ndarray]:
    """Mask probabilities (k, 28, 28) of each image's boxes."""
    counts = [len(boxes) for boxes, _, _ in found]
    if not sum(counts):
        return [np.zeros((0, MASK_SIZE, MASK_SIZE), np.float32)] * len(counts)
    boxes, classes = (np.concatenate([parts[i] for parts in found]) for i in (0, 2))
    images, heads, masks = np.repeat(np.arange(len(counts)), counts), list(network.heads.masks), []
    for start in range(0, len(boxes), _MASKS_AT_ONCE):
        part = slice(start, start + _MASKS_AT_ONCE)
        pooled = pool(boxes[part], images[part], MASK_BINS)
        of_cells = sum(jt.sigmoid(head(pooled, classes[part])) for head in heads).numpy() / len(heads)
        masks.append(whole_masks(of_cells))
    return np.split(np.concatenate(masks), np.cumsum(counts)[:-1])
