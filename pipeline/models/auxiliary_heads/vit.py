"""Transformer blocks: a head of the base's own architecture, the homogeneous control."""

import jittor as jt

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap, positions
from pipeline.models.auxiliary_heads.two_branch import TwoBranchBlock
from pipeline.models.layers import LayerNorm, Mlp
from pipeline.models.vit import Attention

_EPS = 1e-6


class VitBlock(TwoBranchBlock):
    """Pre-norm self-attention over all patches, then a 4x MLP.

    It has no position embedding, since the base's tokens carry theirs, and no CLS token: the head's CLS is
    the pooled map for every kind.

    Source: Dosovitskiy et al. 2021, as the base. As an auxiliary head: this project's own.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        dim = feature_map.dim
        super().__init__(
            norm_mixing=LayerNorm(dim, _EPS),
            mixing=MapAttention(dim, config.num_heads or feature_map.num_heads),
            norm_mlp=LayerNorm(dim, _EPS),
            mlp=Mlp(dim, 4 * dim, dim),
            shortcut=config.shortcuts[index],
        )


class MapAttention(Attention):
    """Self-attention over all positions of a map."""

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, D) -> same shape."""
        return super().execute(positions(x)).reshape(x.shape)
