"""PoolFormer blocks: the patches are mixed by a mean over neighbours, without weights."""

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap
from pipeline.models.auxiliary_heads.group_norm import GroupNorm
from pipeline.models.auxiliary_heads.two_branch import TwoBranchBlock
from pipeline.models.layers import Mlp


class PoolFormerBlock(TwoBranchBlock):
    """Norm over the whole map, mean over neighbours; the same norm, 4x MLP.

    The pooling subtracts its input because the shortcut adds it again. Without shortcut nothing is
    subtracted: otherwise a block would keep the edges of its map and lose everything constant.

    Source: Yu et al. 2022. As an auxiliary head, and without shortcut: this project's own. Deviations: no
    layer scale, which the published head omits from ConvNeXt too; and if the pooling subtracts, the norm
    before it has no bias, because a mean minus its input cancels what is equal everywhere.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        dim, shortcut = feature_map.dim, config.shortcuts[index]
        super().__init__(
            norm_mixing=GroupNorm(dim, num_groups=1, bias=not shortcut),
            mixing=Pooling(config.kernel_size, subtract=shortcut),
            norm_mlp=GroupNorm(dim, num_groups=1),
            mlp=Mlp(dim, 4 * dim, dim),
            shortcut=shortcut,
        )


class Pooling(nn.Module):
    """Mean over the k x k neighbours inside the map, optionally minus the position itself."""

    def __init__(self, kernel_size: int, *, subtract: bool):
        super().__init__()
        self.kernel_size = kernel_size
        self.subtract = subtract

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, D) -> same shape."""
        side, dim = self.kernel_size, x.shape[3]
        # The ones are created anew: if stored in the module, Jittor would take them for parameters.
        sums = kernels.depthwise_conv(x, jt.ones((side, side, dim)), jt.zeros((dim,)))
        shares = 1 / np.outer(_num_neighbours(x.shape[1], side), _num_neighbours(x.shape[2], side))
        pooled = sums * jt.array(shares.astype(np.float32)[None, :, :, None])
        return pooled - x if self.subtract else pooled


def _num_neighbours(length: int, side: int) -> np.ndarray:
    """Number of positions, in a row of `length`, in a window of `side` around each position."""
    place = np.arange(length)
    return np.minimum(place + side // 2, length - 1) - np.maximum(place - side // 2, 0) + 1
