"""Multiplications of the segmentation and detection decoders, from the configuration alone.

Counts are of one image's forward pass without the base, as in `pipeline.costs.multiplications`. The number
of positions of a level is the image's pixels over its stride squared: padding is not counted.
"""

import math
from dataclasses import dataclass

from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import DetectHeadConfig, SegmentHeadConfig
from pipeline.costs.multiplications import dense_multiplications

_FINEST_STRIDE = 4  # pixels; of the pyramid made from a base with a single feature map
_BOX_POSITIONS, _MASK_POSITIONS = 7**2, 14**2  # pooled from each box
_MASKED_SHARE = 0.25  # at most this share of the boxes sampled for training contains an object
_OUTPUTS_OF_ANCHOR = 5


@dataclass(frozen=True)
class Level:
    """One feature map of the pyramid."""

    positions: float
    dim: int


def segmentation_multiplications(
    heads: SegmentHeadConfig, head: str, backbone: BackboneConfig, pixels: float, *, num_classes: int
) -> float:
    """Multiplications of the linear head, or of UPerNet with the auxiliary head that is trained beside it."""
    if head == "linear":
        dims = backbone.stage_dims if backbone.hierarchical else (backbone.dim,) * 4
        return pixels / backbone.patch_size**2 * sum(dims) * num_classes
    enlarged, levels = _pyramid(backbone, pixels)
    *finer, coarsest = levels
    width, auxiliary = heads.width, levels[2]
    pooled = sum(size**2 for size in (1, 2, 3, 6)) * coarsest.dim * width
    pooled += coarsest.positions * 9 * (coarsest.dim + 4 * width) * width
    lateral = sum(level.positions * (level.dim * width + 9 * width**2) for level in finer)
    fused = levels[0].positions * (9 * 4 * width**2 + width * num_classes)
    beside = auxiliary.positions * heads.auxiliary_width * (9 * auxiliary.dim + num_classes)
    return enlarged + pooled + lateral + fused + beside


def detection_multiplications(
    heads: DetectHeadConfig,
    backbone: BackboneConfig,
    pixels: float,
    *,
    num_classes: int,
    num_boxes: float,
    num_masks: float,
) -> float:
    """Multiplications of the pyramid, the RPN, the box heads of every stage, and the mask heads.

    Args:
        num_boxes: boxes that each stage classifies.
        num_masks: boxes that each mask head segments.
    """
    enlarged, levels = _pyramid(backbone, pixels)
    width = heads.width
    pyramid = sum(level.positions * (level.dim * width + 9 * width**2) for level in levels)
    positions = sum(level.positions for level in levels)
    if heads.num_levels > len(levels):
        positions += levels[-1].positions / 4
    rpn = positions * width * (9 * width + _OUTPUTS_OF_ANCHOR * len(heads.anchor_ratios))
    deltas = 4 * (1 if heads.class_agnostic else num_classes)
    hidden = [width * _BOX_POSITIONS, *[heads.box_hidden_dim] * heads.box_fcs]
    box = heads.box_convs * _BOX_POSITIONS * 9 * width**2 + dense_multiplications(hidden)
    box += hidden[-1] * (num_classes + 1 + deltas)
    mask = _MASK_POSITIONS * (9 * heads.mask_convs + 4) * width**2
    num_mask_heads = heads.stages if heads.mask_heads == "each" else 1
    return enlarged + pyramid + rpn + heads.stages * num_boxes * box + num_mask_heads * num_masks * mask


def trained_masks(heads: DetectHeadConfig) -> float:
    """Largest number of boxes per image whose masks a training step segments."""
    return _MASKED_SHARE * heads.roi_samples


def _pyramid(backbone: BackboneConfig, pixels: float) -> tuple[float, list[Level]]:
    """Multiplications of the upsampling, and the four levels of the pyramid, finest first.

    A hierarchical base has the four levels already; the single map of any other is upsampled.
    """
    if backbone.hierarchical:
        sizes = zip(backbone.stage_strides, backbone.stage_dims, strict=True)
        return 0.0, [Level(pixels / stride**2, dim) for stride, dim in sizes]
    dim, positions = backbone.dim, pixels / backbone.stride**2
    doublings = max(0, round(math.log2(backbone.stride / _FINEST_STRIDE)))
    levels = [Level(positions * 4.0 ** (doublings - level), dim) for level in range(4)]
    enlarged = sum(
        positions * 4**done * 4 * dim**2 for level in range(doublings) for done in range(doublings - level)
    )
    return enlarged, levels
