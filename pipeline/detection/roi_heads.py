"""Heads that read one box at a time and predict its class, a refined box, and its mask.

Shapes: n boxes (RoIs), C channels of the pyramid, K classes without the background.
"""

from itertools import pairwise

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.dense import DetectHeadConfig
from pipeline.detection.sizes import BOX_BINS
from pipeline.models.conv import Conv2d, ConvNorm
from pipeline.models.layers import Linear
from pipeline.models.pyramid import Deconv


class BoxHead(nn.Module):
    """Predicts class and box deltas from pooled features.

    Source: iBOT's detection (convolutions with batch norm, one hidden layer); without convolutions and with
        two hidden layers, Faster R-CNN's with FPN (Lin et al. 2017).
    """

    def __init__(self, config: DetectHeadConfig, num_classes: int):
        super().__init__()
        self.convs = nn.ModuleList([ConvNorm(config.width, config.width, 3) for _ in range(config.box_convs)])
        dims = [config.width * BOX_BINS**2] + [config.box_hidden_dim] * config.box_fcs
        self.hidden = nn.ModuleList([Linear(*pair) for pair in pairwise(dims)])
        self.predict_classes = Linear(dims[-1], num_classes + 1)
        self.num_boxes = 1 if config.class_agnostic else num_classes
        self.predict_deltas = Linear(dims[-1], 4 * self.num_boxes)

    def execute(self, pooled: jt.Var) -> tuple[jt.Var, jt.Var]:
        """pooled (n, C, 7, 7), n > 0 -> logits (n, K + 1), the background last; deltas (n, K or 1, 4)."""
        for conv in self.convs:
            pooled = conv(pooled)
        hidden = [(layer.weight, layer.bias) for layer in self.hidden]
        heads = [(layer.weight, layer.bias) for layer in (self.predict_classes, self.predict_deltas)]
        logits, deltas = kernels.relu_layers(pooled.reshape(pooled.shape[0], -1), hidden, heads)
        return logits, deltas.reshape(-1, self.num_boxes, 4)

    def box_rows(self, classes: np.ndarray) -> np.ndarray:
        """Row indices, among the n K (or n) rows of the deltas, of each box's class; background: any."""
        rows = np.arange(len(classes))
        return rows if self.num_boxes == 1 else rows * self.num_boxes + classes % self.num_boxes


class MaskHead(nn.Module):
    """Predicts a mask for each class; only that of the box's class is computed.

    Source: Mask R-CNN (He et al. 2017), figure 4 right; no norm, as in iBOT's detection.
    """

    def __init__(self, config: DetectHeadConfig, num_classes: int):
        super().__init__()
        width = config.width
        self.convs = nn.ModuleList([Conv2d(width, width, 3) for _ in range(config.mask_convs)])
        self.enlarge = Deconv(width)
        self.predict = Linear(width, num_classes)

    def execute(self, pooled: jt.Var, classes: np.ndarray) -> jt.Var:
        """pooled (n, 14, 14, C), n > 0, classes (n,) in 0..K-1 -> logits (n, 14, 14, 2, 2).

        The last two axes are the row and the column within a cell of the 28 x 28: `whole_masks`.
        """
        num_boxes, height, width, channels = pooled.shape
        x, sizes = pooled.reshape(-1, channels), [(num_boxes, height, width)]
        for conv in self.convs:
            x = kernels.biased_conv(x, sizes, [conv.weight], [conv.bias], relu=True)
        (windows,) = kernels.relu_layers(x, [self.enlarge.of_windows()])
        predict, rows = self.predict, jt.array(classes.astype(np.int32))
        features = windows.reshape(num_boxes, -1, channels)
        logits = kernels.class_products(features, predict.weight, predict.bias, rows)
        return logits.reshape(num_boxes, height, width, 2, 2)


def whole_masks(parts: np.ndarray) -> np.ndarray:
    """(n, h, w, 2, 2) of `MaskHead` -> (n, 2 h, 2 w)."""
    num_boxes, height, width = parts.shape[:3]
    return parts.transpose(0, 1, 3, 2, 4).reshape(num_boxes, 2 * height, 2 * width)


def parts_of_masks(masks: np.ndarray) -> np.ndarray:
    """The inverse of `whole_masks`."""
    num_boxes, height, width = masks.shape
    return masks.reshape(num_boxes, height // 2, 2, width // 2, 2).transpose(0, 1, 3, 2, 4)
