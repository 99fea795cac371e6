"""Batch norm with running statistics, for dense heads; its batch includes that of other ranks."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.ranks.whole_batch import mean_count, sharing_ranks, sum_over_ranks


class BatchNorm2d(nn.BatchNorm2d):
    """Jittor's batch norm. If ranks share a batch, the statistics are of all positions of all ranks.

    Jittor's own sums over ranks are lazy operators, which run in any order; see `training.ranks`.
    """

    def __init__(self, num_channels: int):
        super().__init__(num_channels, sync=False)

    def execute(self, x: jt.Var) -> jt.Var:
        """x (B, C, h, w) -> same shape; B may differ among ranks, e.g. for boxes."""
        ranks = sharing_ranks()
        if not self.is_train or (ranks.count == 1 and not kernels.on_device()):
            return super().execute(x)
        if ranks.count == 1:
            y, mean, variance = kernels.batch_norm(x, self.weight, self.bias, self.eps)
            self._update(mean, variance)
            return y
        dims, own = [0, 2, 3], x.numel() // x.shape[1]
        share = own / (ranks.count * mean_count(own))
        means = jt.stack([jt.mean(x, dims=dims), jt.mean(x * x, dims=dims)])
        means = sum_over_ranks(means * share)
        mean, variance = means[0], (means[1] - means[0] * means[0]).maximum(0.0)
        self._update(mean.detach(), variance.detach())
        weight = self.weight / jt.sqrt(variance + self.eps)
        return x * weight.broadcast(x, dims) + (self.bias - mean * weight).broadcast(x, dims)

    def _update(self, mean: jt.Var, variance: jt.Var) -> None:
        for running, found in ((self.running_mean, mean), (self.running_var, variance)):
            running.update(running + (found - running) * self.momentum)
