"""What sees all images of a batch at once, where each rank holds its share: sums and rows over all ranks.

The loss of the batch is the mean of the ranks' losses, each of its own rows. A sum over ranks enters the
loss of every rank, so its gradient is the sum of what all of them ask for; the mean of the ranks' gradients
is then that of the batch. As in `exchange`, all acts at once: going forward in the order of the program, that
is the same in all ranks, going back in that of the graph, which is too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import jittor as jt

from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks

_sharing = SINGLE_PROCESS


@contextmanager
def shared_among(ranks: Ranks) -> Iterator[None]:
    """Meanwhile the batch of this process is its share of one that these ranks hold; all do it together."""
    global _sharing
    before, _sharing = _sharing, ranks
    try:
        yield
    finally:
        _sharing = before


def sharing_ranks() -> Ranks:
    """Those that share the batch that is computed now."""
    return _sharing


def sum_over_ranks(x: jt.Var) -> jt.Var:
    """The sum over ranks of x, float32 of any one shape; takes a gradient."""
    return x if _sharing.count == 1 else _Sum(_sharing)(x)


def mean_count(count: int) -> float:
    """The mean over ranks of a count, for the divisor of a loss that is a mean over what is counted.

    A rank's sum over that divisor, averaged over ranks, is the mean over the whole batch.
    """
    if _sharing.count == 1:
        return count
    return float(_sharing.all_reduce_sum(jt.array([float(count)])).item()) / _sharing.count


def gather_over_ranks(x: jt.Var) -> jt.Var:
    """(n, ...) float32 of each rank -> (count n, ...) of all, in the order of ranks; takes a gradient."""
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
