"""ConvNeXt: depthwise convolutions in four stages."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.backbone import BackboneConfig
from pipeline.models.auxiliary_heads.convnext import DepthwiseConv
from pipeline.models.backbones.hierarchical import (
    HierarchicalEncoder,
    PatchStem,
    branch_scale,
    windows_as_channels,
    without_hidden,
)
from pipeline.models.layers import LayerNorm, Linear, Mlp

_EPS = 1e-6


class ConvNeXt(HierarchicalEncoder):
    """ConvNeXt with a mask token; the last map is pooled first and normed after.

    Source: Liu et al. 2022: patch stem, layer norm everywhere, layer scale that starts at 1e-6. This
    project's own: hidden positions, whose stem patches become a learned vector after the stem's norm. No
    convolution before that reads beyond a patch, so none of their pixels is seen.
    """

    def __init__(self, config: BackboneConfig):
        def block(stage: int, index: int) -> Block:
            dim = config.stage_dims[stage]
            enters = stage > 0 and index == 0
            return Block(dim, config.kernel_size, config.mlp_ratio, enters=enters)

        super().__init__(config, block, mask_dim=config.embed_dim, norm=LayerNorm(config.dim, _EPS))
        self.stem = PatchStem(config, _EPS)

    def embed(self, images: jt.Var, mask: jt.Var | None) -> jt.Var:
        """See `HierarchicalEncoder`."""
        return without_hidden(self.stem(images), mask, self.mask_token)

    def pooled(self, feature_map: jt.Var) -> tuple[jt.Var, jt.Var]:
        """See `HierarchicalEncoder`."""
        patches = feature_map.reshape(feature_map.shape[0], -1, feature_map.shape[3])
        return self.norm(kernels.mean_positions(patches)), self.norm(patches)


class Block(nn.Module):
    """Depthwise convolution, norm, MLP, layer scale; in a new stage, `Downsampling` first."""

    def __init__(self, dim: int, kernel_size: int, mlp_ratio: float, *, enters: bool):
        super().__init__()
        self.entrance = Downsampling(dim) if enters else None
        self.conv = DepthwiseConv(dim, kernel_size)
        self.norm = LayerNorm(dim, _EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)
        self.layer_scale = jt.zeros((dim,))

    def execute(self, x: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """x (B, h, w, D), first of a stage: (B, 2 h, 2 w, D / 2) -> (B, h, w, D); drop_path_scales (2, B)."""
        x = x if self.entrance is None else self.entrance(x)
        branch = kernels.scale_channels(self.mlp(self.conv(x), self.norm), self.layer_scale)
        return x + branch * branch_scale(drop_path_scales, 0, 4)


class Downsampling(nn.Module):
    """Norm, then 2 x 2 convolution at stride 2: (B, 2 h, 2 w, D / 2) -> (B, h, w, D)."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = LayerNorm(dim // 2, _EPS)
        self.reduce = Linear(2 * dim, dim)

    def execute(self, x: jt.Var) -> jt.Var:
        return self.reduce(windows_as_channels(self.norm(x), 2))
