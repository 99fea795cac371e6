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
        x = pooled.reshape(pooled.shape[0], -1)
        for layer in self.hidden:
            x = nn.relu(layer(x))
        return self.predict_classes(x), self.predict_deltas(x).reshape(-1, self.num_boxes, 4)

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
        self.convs = nn.ModuleList([Conv2d(width, width, 3, padding=1) for _ in range(config.mask_convs)])
        self.enlarge = Deconv(width)
        self.predict = Linear(width, num_classes)

    def execute(self, pooled: jt.Var, classes: np.ndarray) -> jt.Var:
        """pooled (n, C, 14, 14), n > 0, classes (n,) in 0..K-1 -> logits (n, 28, 28)."""
        for conv in self.convs:
            pooled = nn.relu(conv(pooled))
        features = nn.relu(self.enlarge(pooled))
        rows = jt.array(classes.astype(np.int32))
        weights = kernels.gather_rows(self.predict.weight, rows)
        if kernels.on_device():
            return self._products(features, weights, rows)
        logits = (features * weights.unsqueeze(2).unsqueeze(3)).sum(dim=1)
        return logits + self.predict.bias[rows].reshape(-1, 1, 1)

    def _products(self, features: jt.Var, weights: jt.Var, rows: jt.Var) -> jt.Var:
        """The same; sums and gradients have a fixed order, as Jittor's own have not on a device."""
        num_boxes, channels, height, width = features.shape
        logits = jt.nn.bmm(weights.unsqueeze(1), features.reshape(num_boxes, channels, -1))
        bias = kernels.gather_rows(self.predict.bias.unsqueeze(1), rows)
        return kernels.add_to_channels(logits.reshape(1, num_boxes, height, width), bias.reshape(-1)).reshape(
            num_boxes, height, width
        )
