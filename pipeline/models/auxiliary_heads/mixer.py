"""MLP-Mixer blocks: an MLP over the patches of each channel."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap
from pipeline.models.auxiliary_heads.fixed_grid import FixedGridMixing
from pipeline.models.auxiliary_heads.two_branch import TwoBranchBlock
from pipeline.models.layers import LayerNorm, LinearGelu, Mlp

_EPS = 1e-6


class MixerBlock(TwoBranchBlock):
    """Pre-norm MLP across patches, then a 4x MLP across channels.

    Source: Tolstikhin et al. 2021: the MLP across patches is half as wide as the channels. As an auxiliary
    head, and on other grids than that of a global crop: this project's own.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        dim, num_patches = feature_map.dim, feature_map.grid[0] * feature_map.grid[1]
        token_dim = config.token_dim or max(dim // 2, 1)
        super().__init__(
            norm_mixing=LayerNorm(dim, _EPS),
            mixing=FixedGridMixing(feature_map.grid, PatchMlp(num_patches, token_dim)),
            norm_mlp=LayerNorm(dim, _EPS),
            mlp=Mlp(dim, 4 * dim, dim),
            shortcut=config.shortcuts[index],
        )


class PatchMlp(nn.Module):
    """(..., N) -> (..., N), one hidden GELU layer.

    Deviation from Tolstikhin et al.: no bias after the second layer. It would shift all channels of a patch
    by the same number, which every layer norm after it cancels, so it could never learn.
    """

    def __init__(self, num_patches: int, hidden_dim: int):
        super().__init__()
        self.expand = LinearGelu(num_patches, hidden_dim)
        self.contract = jt.zeros((num_patches, hidden_dim))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.linear(self.expand(x), self.contract, None)
