"""Feature pyramid network: turns feature maps of different depth into levels of the same width.

Shapes: B images, D channels of a feature map, C = width, h x w positions of a level.
"""

from collections.abc import Sequence

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.detection.levels import Levels, starts_of
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
        self.smooth = nn.ModuleList([Conv2d(width, width, 3) for _ in dims])

    def execute(self, maps: Sequence[jt.Var]) -> Levels:
        """Maps (B, h, w, D), fine to coarse -> levels, fine to coarse."""
        laterals = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        sizes = [tuple(x.shape[:3]) for x in maps]
        weights, biases = zip(*((smooth.weight, smooth.bias) for smooth in self.smooth), strict=True)
        table = kernels.biased_conv(kernels.top_down(laterals), sizes, weights, biases, relu=False)
        levels = Levels(table, sizes[0][0], tuple(size[1:] for size in sizes))
        return self._with_coarser(levels) if len(sizes) < self.num_levels else levels

    def _with_coarser(self, levels: Levels) -> Levels:
        sizes, channels = list(levels.sizes), levels.table.shape[1]
        last = levels.table[int(starts_of(levels.batch, sizes)[-1]) :]
        last, parts = last.reshape(levels.batch, *sizes[-1], channels), [levels.table]
        while len(sizes) < self.num_levels:
            last = last[:, ::2, ::2]
            sizes.append(tuple(last.shape[1:3]))
            parts.append(last.reshape(-1, channels))
        return Levels(jt.concat(parts, dim=0), levels.batch, tuple(sizes))
