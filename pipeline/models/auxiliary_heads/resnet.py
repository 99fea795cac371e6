"""ResNet bottleneck blocks."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap, joined
from pipeline.models.auxiliary_heads.group_norm import GroupNorm, groups_of


class BottleneckBlock(nn.Module):
    """1 x 1 to a quarter of the width, k x k, 1 x 1 back, each with norm; ReLU after the sum.

    Source: He et al. 2016. As an auxiliary head, and without shortcut (ReLU of the branch alone): this
    project's own. Deviation: group norm instead of batch norm, for the reasons in `group_norm`.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        super().__init__()
        dim, inner = feature_map.dim, max(feature_map.dim // 4, 1)
        self.shortcut = config.shortcuts[index]
        self.reduce = Conv(dim, inner, 1)
        self.norm_reduce = GroupNorm(inner, groups_of(inner))
        self.conv = Conv(inner, inner, config.kernel_size)
        self.norm_conv = GroupNorm(inner, groups_of(inner))
        self.expand = Conv(inner, dim, 1)
        self.norm_expand = GroupNorm(dim, groups_of(dim))

    def execute(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D) -> same shape; path_scale (B,)."""
        branch = nn.relu(self.norm_reduce(self.reduce(x)))
        branch = nn.relu(self.norm_conv(self.conv(branch)))
        branch = self.norm_expand(self.expand(branch))
        return nn.relu(joined(x, branch, shortcut=self.shortcut, path_scale=path_scale))


class Conv(nn.Module):
    """k x k convolution without bias, zero padding, channels last."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int):
        super().__init__()
        self.weight = jt.zeros((out_dim, in_dim, kernel_size, kernel_size))

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, in_dim) -> (B, h, w, out_dim)."""
        out_dim, in_dim, side, _ = self.weight.shape
        if side == 1:
            return kernels.linear(x, self.weight.reshape(out_dim, in_dim), None)
        return kernels.convolution(x, self.weight, None)
