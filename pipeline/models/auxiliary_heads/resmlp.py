"""ResMLP blocks: one linear layer over the patches, affine maps instead of norms."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap
from pipeline.models.auxiliary_heads.fixed_grid import FixedGridMixing
from pipeline.models.auxiliary_heads.two_branch import TwoBranchBlock
from pipeline.models.layers import Linear, Mlp


class ResMlpBlock(TwoBranchBlock):
    """Affine, linear layer across patches; affine, 4x MLP across channels.

    Source: Touvron et al. 2021. As an auxiliary head, and on other grids than that of a global crop: this
    project's own. Deviation: no layer scale, which the published head omits from ConvNeXt too; it helps to
    train networks much deeper than a head.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        dim, num_patches = feature_map.dim, feature_map.grid[0] * feature_map.grid[1]
        super().__init__(
            norm_mixing=Affine(dim),
            mixing=FixedGridMixing(feature_map.grid, Linear(num_patches, num_patches)),
            norm_mlp=Affine(dim),
            mlp=Mlp(dim, 4 * dim, dim),
            shortcut=config.shortcuts[index],
        )


class Affine(nn.Module):
    """x (..., D) -> weight x + bias, channel by channel; initially 1 and 0, like a norm."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = jt.zeros((dim,))
        self.bias = jt.zeros((dim,))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.scale_channels(x, self.weight, self.bias)
