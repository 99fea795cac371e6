"""Swin blocks: self-attention within windows, every second block's windows shifted by half a window."""

import jittor as jt
import numpy as np
from jittor import nn

from pipeline import kernels
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import FeatureMap
from pipeline.models.auxiliary_heads.two_branch import TwoBranchBlock
from pipeline.models.auxiliary_heads.windows import Windows, windows
from pipeline.models.layers import LayerNorm, Linear, Mlp

_EPS = 1e-5
_BLOCKED = -1e9  # added to a score; finite, so that a slot outside the map, which attends to none, is no NaN


class SwinBlock(TwoBranchBlock):
    """Pre-norm window attention, then a 4x MLP.

    Source: Liu et al. 2021. As an auxiliary head: this project's own.
    """

    def __init__(self, config: AuxiliaryHeadConfig, feature_map: FeatureMap, index: int):
        dim, size = feature_map.dim, min(config.window_size, max(feature_map.grid))
        super().__init__(
            norm_mixing=LayerNorm(dim, _EPS),
            mixing=WindowAttention(
                dim, config.num_heads or feature_map.num_heads, size, shift=size // 2 if index % 2 else 0
            ),
            norm_mlp=LayerNorm(dim, _EPS),
            mlp=Mlp(dim, 4 * dim, dim),
            shortcut=config.shortcuts[index],
        )


class WindowAttention(nn.Module):
    """Multi-head self-attention within the windows of a map, with a learned bias for each relative position.

    Deviation from Liu et al.: the bias starts at 0, like every bias here, not at random numbers of size 0.02.
    """

    def __init__(self, dim: int, num_heads: int, size: int, shift: int):
        super().__init__()
        self.num_heads, self.size, self.shift = num_heads, size, shift
        self.qkv = Linear(dim, 3 * dim)
        self.out = Linear(dim, dim)
        self.relative_position_bias = jt.zeros(((2 * size - 1) ** 2, num_heads))

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, h, w, D) -> same shape."""
        batch, height, width, dim = x.shape
        parts = windows((height, width), self.size, self.shift)
        num_windows, num_positions = parts.patches.shape
        qkv = _picked(self.qkv(x).reshape(-1, 3 * dim), parts.patches.ravel(), batch)
        qkv = qkv.reshape(batch * num_windows, num_positions, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B W, heads, m, d)
        scores = jt.matmul(query, key.transpose(0, 1, 3, 2)) * query.shape[-1] ** -0.5
        # A score of each window as a channel of its own: gradients of biases are sums over windows.
        flat = kernels.add_to_channels(scores.reshape(scores.shape[0], -1, 1, 1), self._biases(parts))
        weights = nn.softmax(_allowed(flat.reshape(scores.shape), parts, batch), dim=-1)
        mixed = jt.matmul(weights, value).permute(0, 2, 1, 3).reshape(-1, dim)
        return self.out(_picked(mixed, parts.slots, batch)).reshape(x.shape)

    def _biases(self, parts: Windows) -> jt.Var:
        """The biases of a window's scores: (heads m m,)."""
        relative = (parts.rows + self.size - 1) * (2 * self.size - 1) + parts.columns + self.size - 1
        bias = kernels.gather_rows(self.relative_position_bias, jt.array(relative.ravel().astype(np.int32)))
        return bias.permute(1, 0).reshape(-1)


def _allowed(scores: jt.Var, parts: Windows, batch: int) -> jt.Var:
    """scores (B W, heads, m, m), low where a position may not attend to another."""
    if parts.allowed.all():
        return scores
    blocked = np.where(parts.allowed, 0, _BLOCKED).astype(np.float32)
    of_windows = scores.reshape(batch, -1, *scores.shape[1:]) + jt.array(blocked[None, :, None]).stop_grad()
    return of_windows.reshape(scores.shape)


def _picked(rows: jt.Var, index: np.ndarray, batch: int) -> jt.Var:
    """Gather, from each image's n rows in (B n, C), those of `index` (P,) in 0..n-1 -> (B P, C)."""
    starts = np.arange(batch) * (rows.shape[0] // batch)
    return kernels.gather_rows(rows, jt.array((starts[:, None] + index).astype(np.int32).ravel()))
