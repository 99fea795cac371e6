"""A backbone with a linear classifier on top, trained end to end.

Shapes: B images of H x W pixels, D channels, K classes.
"""

from pathlib import Path
from typing import Literal

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.models.backbone_file import FrozenBackbone, load_backbone
from pipeline.models.encoder import Encoder
from pipeline.models.initialization import truncated_normal
from pipeline.models.layers import LayerNorm, Linear

Pooling = Literal["patches", "cls"]
# In a model's settings: its logits are of classes that do not exclude each other.
LABEL_SETS = "of_label_sets"

_NORM_EPS = 1e-6
_CLASSIFIER_STD = 2e-5
_UNUSED = {"patches": {"mask_token", "norm.weight", "norm.bias"}, "cls": {"mask_token"}}


class PooledBackbone(nn.Module):
    """Pools a backbone's tokens to one vector per image, the input of the classifier.

    Args:
        network: the backbone; its parameters are shared, not copied.
        pooling: "patches": the mean patch token of the last block, before the final norm; "cls": the CLS
            token after the final norm.
    """

    frozen = False

    def __init__(self, network: Encoder, pooling: Pooling):
        super().__init__()
        self.network = network
        self.pooling = pooling
        # A parameter that is never used would still be decayed, and would have no gradient.
        for name, parameter in network.named_parameters():
            (parameter.stop_grad if name in _UNUSED[pooling] else parameter.start_grad)()

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.network.depth

    def execute(self, images: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """images (B, 3, H, W) -> (B, D); drop_path_scales (depth, 2, B): stochastic depth."""
        tokens = self.network(images, drop_path_scales=drop_path_scales)
        if self.pooling == "cls":
            return tokens.cls
        batch, _, _, dim = tokens.feature_map.shape
        return kernels.mean_positions(tokens.feature_map.reshape(batch, -1, dim))


class Classifier(nn.Module):
    """images (B, 3, H, W) -> logits (B, K).

    Source: MAE's fine-tuning (He et al. 2022): the mean patch token and a layer norm of its own; with "cls"
    iBOT's: the CLS token and the backbone's norm. Then one linear layer, whose initial weights are near 0.
    """

    def __init__(self, network: Encoder, num_classes: int, *, pooling: Pooling, seed: int):
        super().__init__()
        dim = network.dim
        self.backbone = PooledBackbone(network, pooling)
        self.predict_classes = Linear(dim, num_classes)
        weights = truncated_normal("predict_classes.weight", (num_classes, dim), seed, _CLASSIFIER_STD)
        self.predict_classes.weight = jt.array(weights)
        self.pool_norm = None
        if pooling == "patches":
            self.pool_norm = LayerNorm(dim, _NORM_EPS)
            self.pool_norm.weight = jt.ones((dim,))

    def execute(self, images: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        pooled = self.backbone(images, drop_path_scales)
        return self.predict_classes(pooled if self.pool_norm is None else self.pool_norm(pooled))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (B, K) float32 of images (B, 3, H, W) float32, without gradients."""
        with jt.no_grad():
            return self(jt.array(images)).numpy()


def open_classifier(
    path: Path, num_classes: int, *, pooling: Pooling, seed: int
) -> tuple[Classifier, FrozenBackbone]:
    """Build a classifier on the backbone in a file.

    Returns:
        The classifier, and what the file says of the backbone: input statistics, kind of weights.

    Raises:
        WeightsError: the file holds no backbone of this project, or its arrays do not fit.
    """
    stored = load_backbone(path)
    return Classifier(stored.network, num_classes, pooling=pooling, seed=seed), stored
