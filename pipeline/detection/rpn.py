"""Region proposal network: finds boxes that may contain an object of any class.

Shapes: B images, C channels, R positions of all levels and images, A anchors at each, N anchors of an image
over all levels, in the order level, row, column, ratio.
"""

from collections.abc import Sequence

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.dense import DetectHeadConfig
from pipeline.detection.levels import Levels
from pipeline.detection.losses import KnownLoss, Output, binary_cross_entropy, smooth_l1
from pipeline.detection.proposals import Anchors, anchors_of_levels
from pipeline.detection.sizes import RPN_BETA, RPN_OUTPUTS
from pipeline.detection.targets import AnchorSamples
from pipeline.models.conv import Conv2d
from pipeline.models.layers import Linear
from pipeline.ranks.whole_batch import mean_count


class Rpn(nn.Module):
    """One 3 x 3 convolution and two predictions, shared by all levels.

    Source: Faster R-CNN (Ren et al. 2015), section 3.1; iBOT's detection for the sizes.
    """

    def __init__(self, config: DetectHeadConfig, strides: Sequence[float]):
        super().__init__()
        self.strides = tuple(strides)
        self.scale = config.anchor_scale
        self.ratios = config.anchor_ratios
        self.conv = Conv2d(config.width, config.width, 3)
        self.predict = Linear(config.width, RPN_OUTPUTS * len(config.anchor_ratios))

    def execute(self, levels: Levels) -> jt.Var:
        """(R A, 5), in the order of the levels' table: logit of an object, and deltas."""
        layer = [self.conv.weight], [self.conv.bias]
        hidden = kernels.biased_conv(levels.table, levels.map_sizes, *layer, relu=True)
        return self.predict(hidden).reshape(-1, RPN_OUTPUTS)

    def places(self, levels: Levels) -> np.ndarray:
        """(B, N): rows of the outputs that belong to the anchors of each image."""
        return levels.places(len(self.ratios))

    def anchors(self, levels: Levels) -> Anchors:
        """The anchors of levels of these sizes."""
        return anchors_of_levels(levels.sizes, self.strides, self.scale, self.ratios)


def rpn_losses(
    outputs: Output, places: np.ndarray, samples: list[AnchorSamples]
) -> tuple[KnownLoss, KnownLoss]:
    """Cross-entropy of the objectness, and smooth L1 of the deltas of positive anchors.

    Both are divided by the number of sampled anchors in all images together, other ranks' included.

    Args:
        outputs: (R A, 5) of `Rpn`.
        places: (B, N), the rows of each image's anchors.
        samples: sampled anchors of each image.

    Source: Faster R-CNN (Ren et al. 2015), equation 1, with the weights of mmdetection.
    """
    rows = np.concatenate([of_image[sample.rows] for of_image, sample in zip(places, samples, strict=True)])
    positive = np.concatenate([sample.positive for sample in samples]).astype(np.float32)
    deltas = np.concatenate([sample.deltas for sample in samples])
    count = mean_count(len(rows))
    if not len(rows):  # crowds cover everything
        return KnownLoss.nothing(outputs.var), KnownLoss.nothing(outputs.var)
    picked = outputs.numbers[rows].astype(np.float64)
    objectness, to_logits = binary_cross_entropy(picked[:, 0], positive)
    distances, to_deltas = smooth_l1(picked[:, 1:], deltas, RPN_BETA)
    of_logits, of_deltas = np.zeros((2, *outputs.numbers.shape), np.float32)
    of_logits[rows, 0] = to_logits / count
    of_deltas[rows, 1:] = to_deltas * positive[:, None] / count
    return (
        KnownLoss(objectness.sum() / count, outputs.var, of_logits),
        KnownLoss((distances.sum(axis=1) * positive).sum() / count, outputs.var, of_deltas),
    )
