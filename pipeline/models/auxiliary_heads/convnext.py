"""ConvNeXt blocks: the published auxiliary head."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap, PooledBlock, joined, positions
from pipeline.models.layers import LayerNorm, Mlp


class ConvNeXtBlock(PooledBlock):
    """Depthwise convolution, norm, 4x MLP; the residual connection is optional.

    Source: HSSL released code (vision_transformer_hssl): no layer scale.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        super().__init__()
        dim = feature_map.dim
        self.shortcut = config.shortcuts[index]
        self.conv = DepthwiseConv(dim, config.kernel_size)
        self.norm = LayerNorm(dim, 1e-5)
        self.mlp = Mlp(dim, 4 * dim, dim)

    def execute(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D) -> same shape; path_scale (B,)."""
        tokens = positions(x)  # read twice: its gradients are added as other tokens' are
        branch = self.mlp(self.conv(tokens.reshape(x.shape)), self.norm)
        return joined(tokens.reshape(x.shape), branch, shortcut=self.shortcut, path_scale=path_scale)

    def pooled(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D), path_scale (B,) -> (B, D); the MLP's second layer sees one vector of each image."""
        tokens = positions(x)
        branch = self.mlp.mean(self.conv(tokens.reshape(x.shape)), self.norm)
        if not self.shortcut:
            return branch
        scaled = branch if path_scale is None else branch * path_scale.reshape(-1, 1)
        return kernels.mean_positions(tokens) + scaled


class DepthwiseConv(nn.Module):
    """k x k depthwise convolution, zero padding, channels last."""

    def __init__(self, dim: int, kernel_size: int):
        super().__init__()
        self.weight = jt.zeros((kernel_size, kernel_size, dim))
        self.bias = jt.zeros((dim,))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.depthwise_conv(x, self.weight, self.bias)
