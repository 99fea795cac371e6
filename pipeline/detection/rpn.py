"""Region proposal network: finds boxes that may contain an object of any class.

Shapes: B images, C channels, A anchors at each position, N anchors of an image over all levels, in the order
level, row, column, ratio.
"""

from collections.abc import Sequence

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.config.dense import DetectHeadConfig
from pipeline.detection.losses import Output, binary_cross_entropy, smooth_l1, with_gradient
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
        self.conv = Conv2d(config.width, config.width, 3, padding=1)
        self.predict = Linear(config.width, RPN_OUTPUTS * len(config.anchor_ratios))

    def execute(self, levels: Sequence[jt.Var]) -> jt.Var:
        """Levels (B, C, h, w) -> (B, N, 5): logit of an object, and deltas."""
        batch, channels = levels[0].shape[:2]
        places = [nn.relu(self.conv(x)).permute(0, 2, 3, 1).reshape(batch, -1, channels) for x in levels]
        return self.predict(jt.concat(places, dim=1)).reshape(batch, -1, RPN_OUTPUTS)

    def anchors(self, levels: Sequence[jt.Var]) -> Anchors:
        """The anchors of levels of these sizes."""
        sizes = tuple(tuple(x.shape[2:]) for x in levels)
        return anchors_of_levels(sizes, self.strides, self.scale, self.ratios)


def rpn_losses(outputs: Output, samples: list[AnchorSamples]) -> tuple[jt.Var, jt.Var]:
    """Cross-entropy of the objectness, and smooth L1 of the deltas of positive anchors.

    Both are divided by the number of sampled anchors in all images together, other ranks' included.

    Args:
        outputs: (B, N, 5) of `Rpn`.
        samples: sampled anchors of each image.

    Source: Faster R-CNN (Ren et al. 2015), equation 1, with the weights of mmdetection.
    """
    num_anchors = outputs.numbers.shape[1]
    rows = np.concatenate([index * num_anchors + sample.rows for index, sample in enumerate(samples)])
    positive = np.concatenate([sample.positive for sample in samples]).astype(np.float32)
    deltas = np.concatenate([sample.deltas for sample in samples])
    count = mean_count(len(rows))
    if not len(rows):  # crowds cover everything
        nothing = 0 * outputs.var.sum()
        return nothing, nothing
    picked = outputs.numbers.reshape(-1, RPN_OUTPUTS)[rows].astype(np.float64)
    objectness, to_logits = binary_cross_entropy(picked[:, 0], positive)
    distances, to_deltas = smooth_l1(picked[:, 1:], deltas, RPN_BETA)
    gradients = np.zeros((2, outputs.numbers.size // RPN_OUTPUTS, RPN_OUTPUTS), np.float32)
    gradients[0, rows, 0] = to_logits / count
    gradients[1, rows, 1:] = to_deltas * positive[:, None] / count
    sums = objectness.sum(), (distances.sum(axis=1) * positive).sum()
    return tuple(
        with_gradient(outputs.var, value / count, gradient.reshape(outputs.numbers.shape))
        for value, gradient in zip(sums, gradients, strict=True)
    )
