"""Projectors and predictors of joint-embedding methods: linear layers with batch norm between them."""

from itertools import pairwise

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.ranks.whole_batch import sharing_ranks, sum_over_ranks, summing_over

_EPS = 1e-5


class BatchNorm(nn.Module):
    """Batch norm with the statistics of the batch, separately for each view; of all ranks if they share it.

    There are no running statistics: the layers with it are only used in training, and not exported.
    """

    def __init__(self, dim: int, affine: bool):
        super().__init__()
        self.weight = jt.zeros((dim,)) if affine else None
        self.bias = jt.zeros((dim,)) if affine else None

    def execute(self, x: jt.Var, num_views: int) -> jt.Var:
        """x (V B, C), row v B + b being view v of image b -> (V B, C)."""
        if kernels.on_device():
            return self._on_device(x, num_views)
        views = x.reshape(num_views, -1, x.shape[-1])
        size = views.shape[1] * sharing_ranks().count
        # Sums over counts: Jittor's own mean divides before it adds, and drifts in float32.
        centred = views - sum_over_ranks(views.sum(dim=1, keepdims=True)) / size
        variance = sum_over_ranks((centred * centred).sum(dim=1, keepdims=True)) / size
        normed = (centred / jt.sqrt(variance + _EPS)).reshape(x.shape)
        return normed if self.weight is None else normed * self.weight + self.bias

    def _on_device(self, x: jt.Var, num_views: int) -> jt.Var:
        """The same with sums in a fixed order: each view's channels as channels of their own."""
        channels = num_views * x.shape[1]
        apart = x.reshape(num_views, -1, x.shape[1]).permute(1, 0, 2)  # (B, V, C)
        scale, shift = jt.ones((channels,)), jt.zeros((channels,))
        if self.weight is not None:
            scale, shift = (jt.concat([each] * num_views) for each in (self.weight, self.bias))
        ranks, sharing = sharing_ranks(), None
        if ranks.count > 1:
            sharing = kernels.Sharing(summing_over(ranks), ranks.count * apart.shape[0])
        y, _, _ = kernels.batch_norm(apart.reshape(-1, channels, 1, 1), scale, shift, _EPS, sharing)
        return y.reshape(apart.shape).permute(1, 0, 2).reshape(x.shape)


class Layer(nn.Module):
    """Linear layer without bias, which the batch norm would cancel, and a batch norm."""

    def __init__(self, in_dim: int, out_dim: int, *, norm: bool, affine: bool = True):
        super().__init__()
        self.weight = jt.zeros((out_dim, in_dim))
        self.norm = BatchNorm(out_dim, affine) if norm else None

    def execute(self, x: jt.Var, num_views: int) -> jt.Var:
        x = kernels.linear(x, self.weight, None)
        return x if self.norm is None else self.norm(x, num_views)


class BatchNormMlp(nn.Module):
    """x (V B, in_dim) -> (V B, out_dim): hidden layers with batch norm and ReLU, then a linear layer.

    Args:
        num_layers: linear layers in all.
        last_norm: whether the last layer has a batch norm, without gain and shift, as in MoCo v3.
    """

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, num_layers: int, *, last_norm: bool):
        super().__init__()
        dims = [in_dim] + [hidden_dim] * (num_layers - 1)
        self.hidden = nn.ModuleList([Layer(a, b, norm=True) for a, b in pairwise(dims)])
        self.last = Layer(dims[-1], out_dim, norm=last_norm, affine=False)

    def execute(self, x: jt.Var, num_views: int) -> jt.Var:
        for layer in self.hidden:
            x = nn.relu(layer(x, num_views))
        return self.last(x, num_views)
