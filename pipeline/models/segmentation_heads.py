"""Decoders: feature maps of an image -> logits of the classes at every position.

Shapes: B images, K classes; map i has C_i channels and h_i x w_i positions. Maps cover the same pixels,
finest first. Logits are at the first map's positions; `pipeline.models.resize` brings them to pixels.
"""

from collections.abc import Sequence

import jittor as jt
from jittor import nn

from pipeline.models.conv import ConvNorm, PointwiseConv
from pipeline.models.resize import adaptive_pool, resize, stacked

_POOL_SIZES = (1, 2, 3, 6)


class LinearHead(nn.Module):
    """One 1 x 1 convolution of all maps, resized and concatenated; no norm, no dropout.

    Args:
        channels: C_i of each map.

    Source: iBOT's linear protocol of ADE20K.
    """

    def __init__(self, channels: Sequence[int], num_classes: int):
        super().__init__()
        self.predict = PointwiseConv(sum(channels), num_classes)

    def execute(self, maps: Sequence[jt.Var]) -> jt.Var:
        """Maps (B, C_i, h_i, w_i) -> logits (B, K, h_0, w_0)."""
        return self.predict(stacked(maps))


class UperHead(nn.Module):
    """UPerNet: pyramid pooling on the coarsest map, a top-down pyramid, and all levels fused.

    Args:
        channels: C_i of each map.
        width: channels of everything inside.

    Source: Xiao et al. 2018, as mmsegmentation builds it: pools of 1, 2, 3 and 6, batch norm after every
    convolution except the last, bilinear resizes with half-pixel centres.
    """

    def __init__(self, channels: Sequence[int], width: int, num_classes: int):
        super().__init__()
        self.pooling = PyramidPooling(channels[-1], width)
        self.laterals = nn.ModuleList([ConvNorm(count, width, 1) for count in channels[:-1]])
        self.smooths = nn.ModuleList([ConvNorm(width, width, 3) for _ in channels[:-1]])
        self.fuse = ConvNorm(len(channels) * width, width, 3)
        self.predict = PointwiseConv(width, num_classes)

    def execute(self, maps: Sequence[jt.Var], channel_scales: jt.Var | None = None) -> jt.Var:
        """Logits (B, K, h_0, w_0).

        Args:
            maps: (B, C_i, h_i, w_i) each.
            channel_scales: (B, width) or None; dropout's factors of the last hidden map's channels.
        """
        merged = [self.pooling(maps[-1])]
        for lateral, finer in zip(reversed(self.laterals), reversed(maps[:-1]), strict=True):
            x = lateral(finer)
            merged.insert(0, x + resize(merged[0], tuple(x.shape[2:])))
        smooth = [convolution(x) for convolution, x in zip(self.smooths, merged[:-1], strict=True)]
        return self.predict(_scaled(self.fuse(stacked([*smooth, merged[-1]])), channel_scales))


class PyramidPooling(nn.Module):
    """PSPNet's module: averages over 1, 2 x 2, 3 x 3 and 6 x 6 bins, concatenated with their input."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.reduce = nn.ModuleList([ConvNorm(channels, width, 1) for _ in _POOL_SIZES])
        self.fuse = ConvNorm(channels + len(_POOL_SIZES) * width, width, 3)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, C, h, w) -> (B, width, h, w)."""
        pooled = [
            reduce(adaptive_pool(x, (size, size)))
            for size, reduce in zip(_POOL_SIZES, self.reduce, strict=True)
        ]
        return self.fuse(stacked([x, *pooled]))


class AuxiliaryHead(nn.Module):
    """FCN: a 3 x 3 convolution and a prediction, on one map; used in training only."""

    def __init__(self, channels: int, width: int, num_classes: int):
        super().__init__()
        self.mix = ConvNorm(channels, width, 3)
        self.predict = PointwiseConv(width, num_classes)

    def execute(self, x: jt.Var, channel_scales: jt.Var | None = None) -> jt.Var:
        """x (B, C, h, w) -> logits (B, K, h, w); channel_scales as in `UperHead`."""
        return self.predict(_scaled(self.mix(x), channel_scales))


def _scaled(x: jt.Var, channel_scales: jt.Var | None) -> jt.Var:
    return x if channel_scales is None else x * channel_scales.reshape(*channel_scales.shape, 1, 1)
