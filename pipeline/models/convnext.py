"""The auxiliary head: ConvNeXt blocks over the backbone's feature map, pooled into a CLS vector."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.layers import LayerNorm, Mlp


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm, 4x MLP; the residual connection is optional."""

    def __init__(self, dim: int, kernel_size: int, shortcut: bool):
        super().__init__()
        self.shortcut = shortcut
        self.conv = DepthwiseConv(dim, kernel_size)
        self.norm = LayerNorm(dim, 1e-5)
        self.mlp = Mlp(dim, 4 * dim, dim)

    def execute(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D) -> same shape; path_scale (B,) multiplies the branch where there is a shortcut."""
        branch = self.mlp(self.norm(self.conv(x)))
        if not self.shortcut:
            return branch
        return x + (branch if path_scale is None else branch * path_scale.reshape(-1, 1, 1, 1))


class DepthwiseConv(nn.Module):
    """k x k depthwise convolution, zero padding, channels last."""

    def __init__(self, dim: int, kernel_size: int):
        super().__init__()
        self.weight = jt.zeros((kernel_size, kernel_size, dim))
        self.bias = jt.zeros((dim,))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.depthwise_conv(x, self.weight, self.bias)


class AuxiliaryHead(nn.Module):
    """Feature map (B, h, w, D) of the backbone -> auxiliary CLS vector (B, D).

    Source: HSSL released code (vision_transformer_hssl): ConvNeXt blocks at the backbone's width, no
    layer scale, no shortcut in the first block, global average pool first and layer norm after it. Its
    patch outputs get no loss there, so they are not projected here.
    """

    def __init__(self, config: AuxiliaryHeadConfig, dim: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                ConvNeXtBlock(dim, config.kernel_size, shortcut=config.first_shortcut or index > 0)
                for index in range(config.depth)
            ]
        )
        self.norm = LayerNorm(dim, 1e-6)

    def execute(self, feature_map: jt.Var, path_scales: jt.Var | None = None) -> jt.Var:
        """path_scales: (depth, B) float32 or None."""
        x = feature_map
        for index, block in enumerate(self.blocks):
            x = block(x, None if path_scales is None else path_scales[index])
        pooled = x.reshape(x.shape[0], -1, x.shape[-1])
        return self.norm(pooled.sum(dim=1) / pooled.shape[1])
