import pytest

from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from tests.pipeline.several_ranks import needs_mpi, run_on_ranks

COLLECTIVES = """
import numpy as np
from pipeline.runtime.start_jittor import start
start("cpu", 1)
import jittor as jt
from pipeline.ranks import exchange as module
from pipeline.ranks.exchange import RanksDiffer, ranks_of_this_process
ranks = ranks_of_this_process()
assert ranks.count == 2 and ranks.is_first == (ranks.index == 0)

module._BUCKET_BYTES = 100  # some values share a bucket, one is larger than any
own = [np.arange(size, dtype=np.float32).reshape(shape) * (1 + 2 * ranks.index)
       for size, shape in ((6, (2, 3)), (1, (1,)), (50, (5, 10)), (20, (20,)), (4, (4,)))]
for value, mean in zip(own, ranks.all_reduce_mean([jt.array(each) for each in own])):
    assert np.array_equal(mean.numpy(), 2 * value / (1 + 2 * ranks.index)), (value, mean)
assert ranks.all_reduce_mean([]) == []
assert ranks.all_reduce_mean_of({"a": jt.array([4.0 * ranks.index])})["a"].item() == 2

# A mean leaves alone what it was taken of, and what shares its memory.
x = jt.array([1.0 + ranks.index, 5.0])
(mean,) = ranks.all_reduce_mean([x])
assert x.numpy().tolist() == [1.0 + ranks.index, 5.0] and mean.numpy().tolist() == [1.5, 5.0]

rows = ranks.all_gather(jt.array(np.full((2, 3), ranks.index, np.float32)))
assert rows.shape == (4, 3) and rows.numpy()[:, 0].tolist() == [0, 0, 1, 1]
assert ranks.broadcast_decision(ranks.is_first) and not ranks.broadcast_decision(not ranks.is_first)

ranks.check_equal({"same": jt.array([1.0])})
try:
    ranks.check_equal({"same": jt.array([1.0]), "other": jt.array([1.0 + 1e-7 * ranks.index])})
except RanksDiffer as error:
    assert ranks.index == 1 and "rank 1 of 2" in str(error) and "0 any more: other;" in str(error), error
else:
    assert ranks.is_first
try:
    ranks.all_reduce_mean([jt.array([1, 2])])
except TypeError as error:
    assert "int32" in str(error)
else:
    raise AssertionError("a sum of int32")
ranks.barrier()
print("checked", flush=True)
"""


def test_shares_are_consecutive_and_equal():
    assert [Ranks(index, 3).share(12) for index in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    assert SINGLE_PROCESS.share(5) == slice(0, 5)
    with pytest.raises(ValueError, match="12 images does not divide among 5 ranks"):
        Ranks(0, 5).share(12)


@needs_mpi
def test_what_two_ranks_exchange():
    assert run_on_ranks(2, "-c", COLLECTIVES).count("checked") == 2
