"""Group norm, whose statistics are those of one image, whatever its batch.

Why not batch norm in an auxiliary head: its statistics would differ between a batch and its microbatches, and
between the student's masked crops and the teacher's; running averages would be state outside the moving
average of weights; and an image's CLS would depend on the other images of the batch, which lets a network
satisfy a self-supervised loss without looking at the image.
"""

import math

import jittor as jt
from jittor import nn

from pipeline import kernels

_CHANNELS = 16  # of one group, see `groups_of`


class GroupNorm(nn.Module):
    """Norm over all positions of a map and the channels of a group, then scale and shift per channel.

    Args:
        bias: False: no shift, if the next layer cancels it.
    """

    def __init__(self, dim: int, num_groups: int, *, bias: bool = True, eps: float = 1e-5):
        super().__init__()
        self.num_groups, self.eps = num_groups, eps
        self.weight = jt.zeros((dim,))
        self.bias = jt.zeros((dim,)) if bias else None

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, D) -> same shape."""
        batch, height, width, dim = x.shape
        groups, size = self.num_groups, dim // self.num_groups
        rows = x.reshape(batch, height * width, groups, size).permute(0, 2, 1, 3)
        rows = rows.reshape(batch * groups, height * width * size)
        length = rows.shape[1]
        rows = kernels.layer_norm(rows, jt.ones((length,)), jt.zeros((length,)), self.eps)
        normed = rows.reshape(batch, groups, height * width, size).permute(0, 2, 1, 3).reshape(x.shape)
        return kernels.scale_channels(normed, self.weight, self.bias)


def groups_of(dim: int) -> int:
    """Number of groups of 16 channels, or of the largest smaller power of two that divides `dim`.

    Source: Wu & He 2018, where groups of 16 channels do as well as the better known 32 groups; unlike these
    they divide every width of a ViT and of a bottleneck in it.
    """
    return dim // math.gcd(dim, _CHANNELS)
