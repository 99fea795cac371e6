"""Turns four taps of a backbone into a pyramid, with strides 4, 8, 16 and 32 if possible.

Shapes: B images, D channels, h x w positions of the taps. Maps have the channels last, as the backbones put
them out and as products of matrices read them.
"""

import math
from collections.abc import Sequence

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.models.batch_norm import BatchNorm2d

_FINEST_STRIDE = 4  # pixels
_NUM_LEVELS = 4


def tap_pyramid(dims: Sequence[int], strides: Sequence[int]) -> nn.Module:
    """A module `pyramid(taps)`, with `pyramid.strides`, for four taps with these channels and strides in
    pixels.

    Taps that are a pyramid already, each of half the size of the previous one, are unchanged.
    """
    if len(set(strides)) == 1:
        return TapPyramid(dims[0], strides[0])
    return StagePyramid(strides)


class StagePyramid(nn.Module):
    """The taps of a hierarchical backbone, which are the levels."""

    def __init__(self, strides: Sequence[int]):
        super().__init__()
        self.strides = tuple(strides)  # pixels

    def execute(self, taps: Sequence[jt.Var]) -> list[jt.Var]:
        """Four taps (B, h_i, w_i, D_i), unchanged."""
        return list(taps)


class TapPyramid(nn.Module):
    """Taps of a plain backbone, shallow to deep, as levels from fine to coarse.

    Patches of 16 pixels: the first tap is enlarged four times, the second twice, the third not at all, and
    the fourth is halved by max pooling. Patches of 8: the first twice, the second not at all, the others are
    halved and quartered; patches of 4 likewise. Other patches: powers of two that bring the finest level
    nearest to stride 4.

    Args:
        dim: D of the taps, and of the levels.
        stride: pixels between neighbouring positions of the taps.

    Source: iBOT's segmentation and detection backbones (`fpn1` to `fpn4`), with patches of 16 and 8. Other
        patches, and an odd last row that is pooled alone instead of dropped, are this project's own.
    """

    def __init__(self, dim: int, stride: int):
        super().__init__()
        # 2 doublings for 16 px, 1 for 8; one fewer for each further level, down to halvings.
        doublings = max(0, round(math.log2(stride / _FINEST_STRIDE)))
        self.doublings = [doublings - level for level in range(_NUM_LEVELS)]
        self.strides = tuple(stride / 2**doubled for doubled in self.doublings)  # pixels
        self.enlarge = nn.ModuleList(
            [
                nn.ModuleList([Doubling(dim, after_another=index > 0) for index in range(doubled)])
                for doubled in self.doublings
                if doubled > 0
            ]
        )

    def execute(self, taps: Sequence[jt.Var]) -> list[jt.Var]:
        """Four taps (B, h, w, D) -> four maps (B, ., ., D), of `strides`; a halved size is rounded up."""
        levels = []
        for level, (tap, doubled) in enumerate(zip(taps, self.doublings, strict=True)):
            for doubling in self.enlarge[level] if doubled > 0 else ():
                tap = doubling(tap)
            for _ in range(-doubled):
                tap = kernels.max_halved(tap)
            levels.append(tap)
        return levels


class Doubling(nn.Module):
    """2 x 2 deconvolution, preceded by batch norm and GELU if it follows another one."""

    def __init__(self, dim: int, *, after_another: bool):
        super().__init__()
        self.norm = BatchNorm2d(dim) if after_another else None
        self.deconv = Deconv(dim)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, D) -> (B, 2 h, 2 w, D)."""
        if self.norm is not None:
            x = nn.gelu(self.norm(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        return self.deconv(x)


class Deconv(nn.Module):
    """Transposed 2 x 2 convolution at stride 2: its windows do not overlap, so it is one matrix product."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = jt.zeros((4 * dim, dim))  # rows: row of the window, column, output channel
        self.bias = jt.zeros((dim,))

    def of_windows(self) -> tuple[jt.Var, jt.Var]:
        """The linear layer from a position to its window: weight (4 D, D) and bias (4 D,)."""
        # Jittor's concatenation, with its gradient, is seven operators for each part.
        copies = kernels.gather_rows(self.bias.unsqueeze(0), jt.array(np.zeros(4, np.int32)))
        return self.weight, copies.reshape(-1)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, D) -> (B, 2 h, 2 w, D)."""
        batch, height, width, dim = x.shape
        windows = kernels.linear(x, *self.of_windows())
        # Both columns of a window's row are next to each other already.
        windows = windows.reshape(batch * height, width, 2, 2 * dim).permute(0, 2, 1, 3)
        return windows.reshape(batch, 2 * height, 2 * width, dim)
