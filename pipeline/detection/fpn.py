"""Feature pyramid network: turns feature maps of different depth into levels of the same width.

Shapes: B images, D channels of a feature map, C = width, h x w positions of a level.
"""

from collections.abc import Sequence

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.kernels.operator import Operator
from pipeline.models.conv import Conv2d
from pipeline.models.layers import Linear


class Fpn(nn.Module):
    """1 x 1 convolutions to one width, sums from coarse to fine, then 3 x 3 convolutions.

    Args:
        dims: D of each input map.
        width: C of every output level.
        num_levels: number of output levels; each one beyond the input maps has every second position of the
            previous one.

    Source: Feature Pyramid Networks (Lin et al. 2017), section 3; iBOT's detection: no norm, and a fifth
        level by subsampling.
    """

    def __init__(self, dims: Sequence[int], width: int, num_levels: int):
        super().__init__()
        self.num_levels = num_levels
        self.lateral = nn.ModuleList([Linear(dim, width) for dim in dims])
        self.smooth = nn.ModuleList([Conv2d(width, width, 3, padding=1) for _ in dims])

    def execute(self, maps: Sequence[jt.Var]) -> list[jt.Var]:
        """Maps (B, D, h, w), fine to coarse -> levels (B, C, h, w), fine to coarse."""
        sums = [pointwise(lateral, x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for finer in reversed(range(len(sums) - 1)):
            sums[finer] = sums[finer] + doubled(sums[finer + 1], tuple(sums[finer].shape[2:]))
        levels = [smooth(x) for smooth, x in zip(self.smooth, sums, strict=True)]
        while len(levels) < self.num_levels:
            levels.append(levels[-1][:, :, ::2, ::2])
        return levels


def pointwise(linear: Linear, x: jt.Var) -> jt.Var:
    """A linear layer at every position: (B, D, h, w) -> (B, C, h, w)."""
    return linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def doubled(x: jt.Var, size: tuple[int, int]) -> jt.Var:
    """Nearest-neighbour upsampling by 2, cut to `size`: (B, C, h, w) -> (B, C, *size).

    Raises:
        ValueError: `size` is neither twice the map's size nor one less.
    """
    height, width = x.shape[2:]
    if any((wanted + 1) // 2 != found for wanted, found in zip(size, (height, width), strict=True)):
        raise ValueError(f"expected a map of half of {size[0]} x {size[1]}, found {height} x {width}")
    if kernels.on_device():
        return _Doubled()(x, size)
    return _repeated(x, size)


def _repeated(x: jt.Var, size: tuple[int, int]) -> jt.Var:
    batch, channels, height, width = x.shape
    pairs = x.reshape(batch, channels, height, 1, width, 1)
    pairs = pairs.broadcast([batch, channels, height, 2, width, 2])
    return pairs.reshape(batch, channels, 2 * height, 2 * width)[:, :, : size[0], : size[1]]


class _Doubled(Operator):
    """The same with a gradient of fixed order: Jittor's own adds the four places by atomics on a device."""

    def execute(self, x: jt.Var, size: tuple[int, int]) -> jt.Var:
        self.shape = x.shape
        return _repeated(x, size)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, None]:
        batch, channels, height, width = self.shape
        for axis, whole in ((2, 2 * height), (3, 2 * width)):
            if out_grad.shape[axis] < whole:
                missing = list(out_grad.shape)
                missing[axis] = 1
                out_grad = jt.concat([out_grad, jt.zeros(missing)], dim=axis)
        pairs = out_grad.reshape(batch, channels, height, 2, width, 2)
        rows = pairs[:, :, :, 0] + pairs[:, :, :, 1]
        return rows[:, :, :, :, 0] + rows[:, :, :, :, 1], None
