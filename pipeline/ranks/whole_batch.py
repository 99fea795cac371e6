"""Differentiable sums and gathers over ranks, for layers and losses that see the whole batch at once.

The loss of the batch is the mean of the ranks' losses, each over its own rows. A sum over ranks enters every
rank's loss, so its gradient is the sum of the gradients in all ranks; the mean of the ranks' parameter
gradients is then the gradient of the batch. As in `exchange`, everything is eager: the forward calls follow
the program's order, the backward calls the graph's, and both orders are the same in all ranks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jittor as jt

from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks

_sharing = SINGLE_PROCESS


@contextmanager
def shared_among(ranks: Ranks) -> Iterator[None]:
    """Within the block, this process's batch is its share of a batch split among these ranks. Collective."""
    global _sharing
    before, _sharing = _sharing, ranks
    try:
        yield
    finally:
        _sharing = before


def sharing_ranks() -> Ranks:
    """The ranks among which the current batch is split."""
    return _sharing


def sum_over_ranks(x: jt.Var) -> jt.Var:
    """The sum over ranks of x, float32 of any shape, the same in all ranks; differentiable."""
    return x if _sharing.count == 1 else summing_over(_sharing)(x)


def summing_over(ranks: Ranks) -> Callable[[jt.Var], jt.Var]:
    """`sum_over_ranks` of these ranks, for a backward pass too, where no batch is shared any more."""
    return lambda x: _Sum(ranks)(x)


def mean_count(count: int) -> float:
    """The mean over ranks of a count: the divisor of a loss that is a mean over the counted elements.

    Each rank divides its sum by it; the mean of these over ranks is the mean over the whole batch.
    """
    if _sharing.count == 1:
        return count
    return _sharing.sum_of_counts(count) / _sharing.count


def gather_over_ranks(x: jt.Var) -> jt.Var:
    """(n, ...) float32 of each rank -> (count n, ...) of all, in the order of ranks; differentiable."""
    return x if _sharing.count == 1 else _Rows(_sharing)(x)


class _Sum(jt.Function):
    def __init__(self, ranks: Ranks):
        super().__init__()
        self.ranks = ranks

    def execute(self, x: jt.Var) -> jt.Var:
        return self.ranks.all_reduce_sum(x)

    def grad(self, gradient: jt.Var) -> jt.Var:
        return self.ranks.all_reduce_sum(gradient)


class _Rows(jt.Function):
    def __init__(self, ranks: Ranks):
        super().__init__()
        self.ranks = ranks

    def execute(self, x: jt.Var) -> jt.Var:
        return self.ranks.all_gather(x)

    def grad(self, gradient: jt.Var) -> jt.Var:
        return self.ranks.all_reduce_sum(gradient)[self.ranks.share(gradient.shape[0])]
