"""Swin Transformer: attention within windows, in four stages."""

from functools import partial

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.backbone import BackboneConfig
from pipeline.models.auxiliary_heads.swin import WindowAttention
from pipeline.models.backbones.hierarchical import (
    HierarchicalEncoder,
    PatchStem,
    branch_scale,
    windows_as_channels,
    without_hidden,
)
from pipeline.models.layers import LayerNorm, Mlp

_EPS = 1e-5


class SwinTransformer(HierarchicalEncoder):
    """Swin with a mask token; every second block of a stage has its windows shifted.

    Source: Liu et al. 2021; the mask token after the stem's norm as in iBOT's Swin. Deviations, both of
    `WindowAttention`: relative position biases start at 0, and windows that extend beyond the map do not
    attend to padding. A window is never larger than the map at the configured image size.
    """

    def __init__(self, config: BackboneConfig):
        make_block = partial(Block, config)
        super().__init__(config, make_block, mask_dim=config.embed_dim, norm=LayerNorm(config.dim, _EPS))
        self.stem = PatchStem(config, _EPS)

    def embed(self, images: jt.Var, mask: jt.Var | None) -> jt.Var:
        """See `HierarchicalEncoder`."""
        return without_hidden(self.stem(images), mask, self.mask_token)


class Block(nn.Module):
    """Pre-norm window attention, then an MLP; in a new stage, patch merging first."""

    def __init__(self, config: BackboneConfig, stage: int, index: int):
        super().__init__()
        dim, side = config.stage_dims[stage], config.image_size // config.stage_strides[stage]
        size = min(config.window_size, side)
        self.entrance = PatchMerging(dim) if stage > 0 and index == 0 else None
        self.norm_attention = LayerNorm(dim, _EPS)
        self.attention = WindowAttention(
            dim, config.num_heads * 2**stage, size, shift=size // 2 if index % 2 else 0
        )
        self.norm_mlp = LayerNorm(dim, _EPS)
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio), dim)

    def execute(self, x: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D), first of a stage: (B, 2 h, 2 w, D / 2) -> (B, h, w, D); drop_path_scales (2, B)."""
        x = x if self.entrance is None else self.entrance(x)
        x = x + self.attention(self.norm_attention(x)) * branch_scale(drop_path_scales, 0, 4)
        return x + self.mlp(x, self.norm_mlp) * branch_scale(drop_path_scales, 1, 4)


class PatchMerging(nn.Module):
    """2 x 2 positions concatenated, norm, linear map without bias: (B, 2 h, 2 w, D / 2) -> (B, h, w, D)."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = LayerNorm(2 * dim, _EPS)
        self.weight = jt.zeros((dim, 2 * dim))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.linear(self.norm(windows_as_channels(x, 2)), self.weight, None)
