"""Plain depthwise-separable convolutions: ConvNeXt without its wide MLP."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap, joined
from pipeline.models.auxiliary_heads.group_norm import GroupNorm, groups_of


class SeparableBlock(nn.Module):
    """k x k depthwise, norm, ReLU, 1 x 1 to as many channels, norm; ReLU after the sum.

    Source: Howard et al. 2017 (MobileNet, which has no shortcut). The shortcut, placed as in a ResNet block,
    and the use as an auxiliary head: this project's own. Deviation: group norm instead of batch norm, for the
    reasons in `group_norm`.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        super().__init__()
        dim, side = feature_map.dim, config.kernel_size
        self.shortcut = config.shortcuts[index]
        # Neither convolution has a bias: the norms after them have one.
        self.depthwise = jt.zeros((side, side, dim))
        self.norm_depthwise = GroupNorm(dim, groups_of(dim))
        self.pointwise = jt.zeros((dim, dim))
        self.norm_pointwise = GroupNorm(dim, groups_of(dim))

    def execute(self, x: jt.Var, path_scale: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D) -> same shape; path_scale (B,)."""
        branch = kernels.depthwise_conv(x, self.depthwise, jt.zeros((x.shape[3],)))
        branch = kernels.linear(nn.relu(self.norm_depthwise(branch)), self.pointwise, None)
        branch = self.norm_pointwise(branch)
        return nn.relu(joined(x, branch, shortcut=self.shortcut, path_scale=path_scale))
