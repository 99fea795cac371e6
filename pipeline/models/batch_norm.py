"""Batch norm with running statistics, for dense heads; its batch includes that of other ranks."""

import jittor as jt
from jittor import nn

from pipeline import kernels
from pipeline.ranks.whole_batch import mean_count, sharing_ranks, summing_over


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
        sharing = None
        if ranks.count > 1:
            count = ranks.count * mean_count(x.numel() // x.shape[1])
            sharing = kernels.Sharing(summing_over(ranks), count)
        y, mean, variance = kernels.batch_norm(x, self.weight, self.bias, self.eps, sharing)
        self._update(mean, variance)
        return y

    def _update(self, mean: jt.Var, variance: jt.Var) -> None:
        for running, found in ((self.running_mean, mean), (self.running_var, variance)):
            running.update(running + (found - running) * self.momentum)
