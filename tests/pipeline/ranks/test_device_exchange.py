"""The exchange between GPUs, over stand-ins for NCCL and streams, which work at once in the host's memory."""

import ctypes
import multiprocessing

import numpy as np
import pytest

from pipeline.ranks.nccl import Communicator, Nccl, NcclFailed
from pipeline.runtime.cuda import toolkit
from pipeline.runtime.cuda.nccl import load_nccl, nccl_version
from pipeline.runtime.cuda.toolkits import wheel_roots
from tests.nccl_stand_in.build import compile_nccl, stand_in_nccl, stand_in_streams
from tests.pipeline.several_ranks import needs_mpi, run_on_ranks

HEADERS = [root / "nccl" / "include" for root in wheel_roots() if (root / "nccl/include/nccl.h").is_file()]
needs_wheel = pytest.mark.skipif(not HEADERS, reason="no NCCL here: pip install -e '.[nccl]'")

# Jittor on processors, whose variables the stand-in can read; all else is as between GPUs.
EXCHANGE = """
import numpy as np
from pipeline.runtime.start_jittor import start
start("cpu", 1)
import jittor as jt
from pipeline.ranks import device_exchange as module
from pipeline.ranks.exchange import ranks_of_this_process
from tests.nccl_stand_in.connecting import connect, counts
connect()
ranks = ranks_of_this_process()
module._PART_BYTES = 4000
sizes = [(2, 3), (1,), (50, 10), (0, 4), (7, 11, 13), (20,), ()]
of_rank = [np.random.default_rng(rank) for rank in range(ranks.count)]
of_all = [[rng.standard_normal(size).astype(np.float32) for size in sizes] for rng in of_rank]
given = [jt.array(value) * 1.0 for value in of_all[ranks.index]]
means = ranks.all_reduce_mean(given)
for index, mean in enumerate(means):
    expected = np.mean([np.float64(values[index]) for values in of_all], axis=0)
    np.testing.assert_allclose(mean.numpy().reshape(expected.shape), expected, rtol=1e-6, atol=1e-7)
    assert np.array_equal(given[index].numpy().ravel(), of_all[ranks.index][index].ravel())
# From the last: 1 + 20 + 1001 elements fill a part of 1000, and 500 + 1 + 6 are left.
assert counts() == {"launches": 2, "bytes": 4 * (1 + 20 + 1001 + 500 + 1 + 6), "gathers": 0}, counts()
again = ranks.all_reduce_mean(given)
assert all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(means, again))

total = ranks.all_reduce_sum(given[2])
np.testing.assert_allclose(total.numpy(), sum(np.float64(v[2]) for v in of_all), rtol=1e-6, atol=1e-6)
rows = ranks.all_gather(given[0])
assert np.array_equal(rows.numpy(), np.concatenate([values[0] for values in of_all]))
assert counts()["gathers"] == 1
assert ranks.all_reduce_mean([]) == []
assert ranks.all_reduce_mean_of({"a": jt.array([4.0 * ranks.index])})["a"].item() == 2 * (ranks.count - 1)
assert ranks.sum_of_counts(10 + ranks.index) == sum(10 + rank for rank in range(ranks.count))
ranks.check_equal({"mean": means[2]})
for refused in (ranks.all_reduce_mean, lambda given: ranks.all_gather(*given)):
    try:
        refused([jt.array([1, 2])])
    except TypeError as error:
        assert "int32" in str(error)
    else:
        raise AssertionError("a sum of int32")
ranks.barrier()
print("checked", flush=True)
"""


@needs_mpi
@pytest.mark.parametrize("count", [2, 3])
def test_what_ranks_exchange_from_device_to_device_is_what_numpy_adds(count):
    assert run_on_ranks(count, "-c", EXCHANGE).count("checked") == count


def test_parts_begin_with_the_last_and_leave_out_what_is_empty(jt):
    from pipeline.ranks.device_exchange import parts

    assert parts([5, 1, 0, 4, 2], 5) == [[4, 3], [1, 0]]
    assert parts([5, 1, 0, 4, 2], 100) == [[4, 3, 1, 0]]
    assert parts([3], 1) == [[0]]
    assert parts([0], 1) == parts([], 1) == []


def joined(rank: int, unique_id: bytes, results) -> None:
    """One of two processes without Jittor and MPI: sums and means of NumPy's arrays, in place or not."""
    nccl = Nccl(ctypes.CDLL(str(stand_in_nccl())))
    communicator = Communicator(
        nccl, ctypes.CDLL(str(stand_in_streams())), nccl.communicator(unique_id, rank, 2)
    )
    arrays = [np.full(size, rank + 1, np.float32) for size in (3, 300_000)]
    found = [np.zeros_like(array) for array in arrays]
    where = [(a.ctypes.data, b.ctypes.data, a.size) for a, b in zip(arrays, found, strict=True)]
    communicator.all_reduce(where, mean=True)
    communicator.all_reduce([(arrays[0].ctypes.data, arrays[0].ctypes.data, 3)], mean=False)
    communicator.close()
    communicator.close()
    results.put([{float(value) for value in array} for array in (*found, arrays[0])])


def test_two_processes_add_large_and_small_arrays_in_one_group():
    context, unique_id = (
        multiprocessing.get_context("spawn"),
        Nccl(ctypes.CDLL(str(stand_in_nccl()))).unique_id(),
    )
    results = context.Queue()
    processes = [context.Process(target=joined, args=(rank, unique_id, results)) for rank in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=120) for _ in processes] == 2 * [[{1.5}, {1.5}, {3.0}]]
    for process in processes:
        process.join(60)


def test_what_nccl_refuses_is_said_in_its_words(monkeypatch):
    monkeypatch.setenv("STAND_IN_REFUSES", "0")
    nccl = Nccl(ctypes.CDLL(str(stand_in_nccl())))
    with pytest.raises(NcclFailed, match="ncclCommInitRank: an error of the stand-in; none"):
        nccl.communicator(nccl.unique_id(), 0, 2)


@needs_wheel
def test_the_declarations_are_those_of_nccls_header(tmp_path):
    found = toolkit()
    if found is None:
        pytest.skip("no CUDA toolkit here, whose header NCCL's includes: pip install -e '.[cuda13]'")
    compile_nccl(tmp_path / "libnccl.so", (*HEADERS[:1], *found.include_folders))


@needs_wheel
def test_the_real_library_has_every_function_and_refuses_a_machine_without_a_driver(monkeypatch):
    monkeypatch.delenv("HSSL_NCCL", raising=False)
    library = load_nccl()
    assert nccl_version(library) >= (2, 27, 0)
    nccl = Nccl(library)
    for name in ("ncclGroupStart", "ncclGroupEnd", "ncclAllReduce", "ncclAllGather", "ncclCommDestroy"):
        assert getattr(library, name)
    unique_id = nccl.unique_id()
    assert len(unique_id) == 128
    if toolkit_has_driver():
        pytest.skip("a driver is here")
    with pytest.raises(NcclFailed, match=r"ncclCommInitRank: unhandled cuda error.*driver version"):
        nccl.communicator(unique_id, 0, 1)


def toolkit_has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
