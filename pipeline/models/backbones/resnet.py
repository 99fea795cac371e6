"""ResNet, with group norm, or with the frozen batch norm of another project.

Shapes: maps are (B, C, h, w) inside.
"""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.config.backbone import BackboneConfig
from pipeline.models.auxiliary_heads.group_norm import groups_of
from pipeline.models.backbones.hierarchical import HierarchicalEncoder, branch_scale, hidden_positions
from pipeline.models.input_channels import input_channels

_EPS = 1e-5


class ResNet(HierarchicalEncoder):
    """ResNet with basic or bottleneck blocks; the last map has no norm of its own.

    It has group norm, not batch norm as torchvision's and MoCo's. This project's own choice: statistics of a
    batch would differ between a batch and its microbatches, which must give the same result, and between
    masked crops of the student and whole ones of the teacher; they would make an image's features depend on
    the other images of the batch, and running averages would be state outside the moving average of weights.
    Wu & He 2018 find ResNet-50 with group norm half a point behind on ImageNet, and ahead with small batches.

    Hidden positions, this project's own too: their pixels become one learned colour at the input, because
    convolutions read beyond the edges of positions.

    Source: He et al. 2016, as torchvision builds it (a bottleneck strides in its 3 x 3 convolution), initial
    values of He et al. 2015. Stems for small images: `patch_size` 2 leaves out the pooling, 1 is one 3 x 3
    convolution at stride 1, as is customary for CIFAR.
    """

    def __init__(self, config: BackboneConfig):
        norm = ChannelScale if config.norm == "batch" else GroupNorm

        def block(stage: int, index: int) -> Block:
            before = config.embed_dim if stage == 0 else config.stage_dims[stage - 1]
            dim = config.stage_dims[stage]
            stride = 2 if stage > 0 and index == 0 else 1
            in_dim = before if index == 0 else dim
            return Block(in_dim, dim, stride=stride, bottleneck=config.bottleneck, norm=norm)

        channels = input_channels(config)
        super().__init__(config, block, mask_dim=channels, norm=None)
        strided, self.stem_pools = config.patch_size > 1, config.patch_size == 4
        self.stem = Conv(channels, config.embed_dim, 7 if strided else 3, stride=2 if strided else 1)
        self.norm_stem = norm(config.embed_dim)

    def embed(self, images: jt.Var, mask: jt.Var | None) -> jt.Var:
        """See `HierarchicalEncoder`."""
        if mask is not None:
            hidden = hidden_positions(mask, self.stride).unsqueeze(1)
            images = kernels.with_token(images, hidden, self.mask_token.reshape(-1), channels_first=True)
        x = nn.relu(self.norm_stem(self.stem(images)))
        return pooled_by_two(x) if self.stem_pools else x

    def channels_last(self, x: jt.Var) -> jt.Var:
        """See `HierarchicalEncoder`."""
        return x.permute(0, 2, 3, 1)


class Block(nn.Module):
    """Two convolutions of 3 x 3, or 1 x 1, 3 x 3, 1 x 1 at a quarter of the width; ReLU after the sum."""

    def __init__(self, in_dim: int, dim: int, *, stride: int, bottleneck: bool, norm: type[nn.Module]):
        super().__init__()
        inner = dim // 4 if bottleneck else dim
        shapes = [(in_dim, dim, 3, stride), (dim, dim, 3, 1)]
        if bottleneck:
            shapes = [(in_dim, inner, 1, 1), (inner, inner, 3, stride), (inner, dim, 1, 1)]
        self.convs = nn.ModuleList([Conv(a, b, side, stride=s) for a, b, side, s in shapes])
        self.norms = nn.ModuleList([norm(b) for _, b, _, _ in shapes])
        self.shortcut = self.norm_shortcut = None
        if stride > 1 or in_dim != dim:
            self.shortcut, self.norm_shortcut = Conv(in_dim, dim, 1, stride=stride), norm(dim)

    def execute(self, x: jt.Var, drop_path_scales: jt.Var | None = None) -> jt.Var:
        """x (B, C, h, w) -> (B, dim, h / stride, w / stride); drop_path_scales (2, B), only [0] is used."""
        branch = x
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            branch = norm(conv(nn.relu(branch) if index else branch))
        if self.shortcut is not None:
            x = self.norm_shortcut(self.shortcut(x))
        return nn.relu(x + branch * branch_scale(drop_path_scales, 0, 4))


class Conv(nn.Module):
    """k x k convolution without bias, zero padding; at stride 1 the size does not change."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int, *, stride: int):
        super().__init__()
        self.stride = stride
        self.filters = jt.zeros((out_dim, in_dim, kernel_size, kernel_size))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.convolution(x, self.filters, None, stride=self.stride, channels_first=True)


class GroupNorm(nn.Module):
    """Norm over all positions and the 16 channels of a group, then scale and shift per channel."""

    def __init__(self, dim: int):
        super().__init__()
        self.num_groups = groups_of(dim)
        self.weight = jt.zeros((dim,))
        self.bias = jt.zeros((dim,))

    def execute(self, x: jt.Var) -> jt.Var:
        rows = x.reshape(x.shape[0] * self.num_groups, -1)
        length = rows.shape[1]
        rows = kernels.layer_norm(rows, jt.ones((length,)), jt.zeros((length,)), _EPS)
        return kernels.scale_channels(rows.reshape(x.shape), self.weight, self.bias, channels_first=True)


class ChannelScale(nn.Module):
    """Scale and shift per channel: batch norm with fixed statistics, as trained by another project."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = jt.zeros((dim,))
        self.bias = jt.zeros((dim,))

    def execute(self, x: jt.Var) -> jt.Var:
        return kernels.scale_channels(x, self.weight, self.bias, channels_first=True)


def pooled_by_two(x: jt.Var) -> jt.Var:
    """Max pooling of 3 x 3 positions at stride 2, for non-negative maps: (B, C, 2 h, 2 w) -> (B, C, h, w).

    Rows first, then columns; zeros beyond the edge never win. Jittor's own pooling refuses small maps.
    """
    return _pooled_rows(_pooled_rows(x).permute(0, 1, 3, 2)).permute(0, 1, 3, 2)


def _pooled_rows(x: jt.Var) -> jt.Var:
    batch, dim, height, width = x.shape
    pairs = x.reshape(batch, dim, height // 2, 2, width)
    even, odd = pairs[:, :, :, 0], pairs[:, :, :, 1]
    before = jt.concat([jt.zeros((batch, dim, 1, width)), odd], dim=2)[:, :, :-1]
    return jt.maximum(jt.maximum(even, odd), before)
