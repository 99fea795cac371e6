"""Data-parallel training: each rank computes its share of every batch.

All ranks draw the same random decisions for the whole batch and hold the same parameters. Each averages over
its share; as the shares are equal, the mean over ranks is the mean over the batch.

Variables go by NCCL from GPU to GPU (`device_exchange`), else by Jittor's eager MPI calls, as do arrays of
the host. Both are eager: collectives must run in the same order in every rank, and the order of lazy
operators is the executor's choice. On processors, communication follows the backward pass and does not
overlap it: Jittor runs the whole pass in one call that lets no other Python thread run, and ranks of one
machine exchange data with the same cores that compute.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.runtime.heartbeat import waiting_for_others

if TYPE_CHECKING:
    import jittor as jt  # batches are made without it

    from pipeline.ranks.device_exchange import DeviceExchange

# Size of one all-reduce. A small bucket stays in a core's cache from the copy in to the copy out, which is
# worth more than fewer calls: of 0.25 to 64 MiB, 1 MiB took the least processor time in one run on two ranks
# beside other work; on four 2 MiB took less.
_BUCKET_BYTES = 2**20


class RanksDiffer(RuntimeError):
    """The ranks no longer hold the same parameters."""


class _State:
    device: "DeviceExchange | None" = None  # between GPUs; None: variables go through the host's memory


def exchange_by(device: "DeviceExchange") -> None:
    """Exchange variables from GPU to GPU from now on; called once, by `pipeline.ranks.connecting`."""
    _State.device = device


@dataclass(frozen=True)
class Ranks:
    """This process's rank among all. All methods but `share` are collective: every rank calls them.

    Attributes:
        index: from 0.
        count: of all ranks.
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes files and logs."""
        return self.index == 0

    def share(self, num_images: int) -> slice:
        """This rank's slice of a batch of `num_images`.

        Raises:
            ValueError: the batch does not divide evenly among the ranks.
        """
        size, rest = divmod(num_images, self.count)
        if rest:
            raise ValueError(f"a batch of {num_images} images does not divide among {self.count} ranks")
        return slice(self.index * size, (self.index + 1) * size)

    def all_reduce_mean(self, values: Sequence["jt.Var"]) -> list["jt.Var"]:
        """The mean over ranks of each float32 variable, detached; bit for bit the same in every rank."""
        if self.count == 1:
            return list(values)
        if _State.device:
            return _State.device.means(values)
        import jittor as jt

        means = [jt.empty(value.shape, "float32") for value in values]
        jt.sync([*values, *means])
        flat_means = [mean.data.reshape(-1) for mean in means]
        for place, part, sums in _sums([value.data.reshape(-1) for value in values]):
            np.divide(sums, np.float32(self.count), out=flat_means[place][part])
        return [mean.stop_grad() for mean in means]

    def all_reduce_mean_of(self, named: Mapping[str, "jt.Var"]) -> dict[str, "jt.Var"]:
        """`all_reduce_mean` of named variables."""
        return dict(zip(named, self.all_reduce_mean(list(named.values())), strict=True))

    def all_reduce_sum(self, value: "jt.Var") -> "jt.Var":
        """The sum over ranks of a float32 variable, detached; bit for bit the same in every rank."""
        if self.count == 1:
            return value
        if _State.device:
            return _State.device.sum(value)
        import jittor as jt

        return jt.array(_summed(value.numpy().reshape(-1)).reshape(value.shape)).stop_grad()

    def sum_of_counts(self, count: int) -> int:
        """The sum over ranks of a number that the host knows; no device is asked."""
        return sum(int(each[0]) for each in self.all_gather_arrays(np.array([count], np.int64)))

    def all_gather(self, rows: "jt.Var") -> "jt.Var":
        """(n, ...) float32 of this rank -> (count n, ...) of all ranks in their order, detached."""
        if self.count == 1:
            return rows
        if _State.device:
            return _State.device.gathered(rows)
        import jittor as jt

        found = np.zeros((self.count, *rows.shape), np.float32)
        found[self.index] = rows.numpy()  # the sum of the others' zeros and this is exact
        return jt.array(_summed(found.reshape(-1)).reshape(-1, *rows.shape[1:])).stop_grad()

    def all_gather_arrays(self, array: np.ndarray) -> list[np.ndarray]:
        """Every rank's array, in the order of ranks; all have the same shape and dtype."""
        return [self.broadcast(root, array) for root in range(self.count)]

    def all_gather_uneven(self, array: np.ndarray) -> list[np.ndarray]:
        """Every rank's array (n, ...), in the order of ranks; n may differ from rank to rank."""
        lengths = self.all_gather_arrays(np.array([len(array)]))
        rows = [np.empty((int(length[0]), *array.shape[1:]), array.dtype) for length in lengths]
        rows[self.index] = array
        return [self.broadcast(root, of_rank) for root, of_rank in enumerate(rows)]

    def broadcast(self, root: int, array: np.ndarray) -> np.ndarray:
        """The array of rank `root`; the others pass one of the same shape and dtype."""
        return array if self.count == 1 else _from_rank(root, array)

    def broadcast_decision(self, decision: bool) -> bool:
        """Rank 0's decision, for example one that depends on its clock."""
        if self.count == 1:
            return decision
        return bool(_from_first(np.array([decision], np.uint8))[0])

    def check_equal(self, tensors: Mapping[str, "jt.Var"]) -> None:
        """Check that all ranks hold the same tensors, bit for bit.

        Raises:
            RanksDiffer: this rank's differ from those of rank 0; names the tensors.
        """
        if self.count == 1:
            return
        own = {name: sha256(value.numpy().tobytes()).digest() for name, value in tensors.items()}
        flat = np.frombuffer(b"".join(own.values()), np.uint8).reshape(len(own), -1)
        differ = (_from_first(flat) != flat).any(axis=1)
        names = [name for name, differs in zip(own, differ, strict=True) if differs]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise RanksDiffer(
                f"rank {self.index} of {self.count} does not hold the parameters of rank 0 any more: "
                f"{', '.join(names[:3])}{more}; the last checkpoint is from before"
            )

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Run the block in rank 0 first, then in the others: so rank 0 alone moves damaged files aside."""
        if not self.is_first:
            self.barrier()
        yield
        if self.is_first:
            self.barrier()

    def barrier(self) -> None:
        """Wait until every rank has reached this call."""
        if self.count > 1:
            import jittor as jt

            with waiting_for_others():
                jt.mpi.mpi_barrier()


SINGLE_PROCESS = Ranks()


def ranks_of_this_process() -> Ranks:
    """This process's rank; `SINGLE_PROCESS` if MPI did not start it."""
    import jittor as jt

    return Ranks(jt.rank, jt.world_size) if jt.in_mpi else SINGLE_PROCESS


def _summed(flat: np.ndarray) -> np.ndarray:
    """(n,) float32 of each rank -> the sum over ranks.

    Raises:
        TypeError: not float32.
    """
    found = np.empty_like(flat)
    for _, part, sums in _sums([flat]):
        found[part] = sums
    return found


def _sums(arrays: Sequence[np.ndarray]) -> Iterator[tuple[int, slice, np.ndarray]]:
    """Sums over ranks of flat float32 arrays, bucket by bucket.

    Yields:
        Index of the array, slice of it, and the sums there: a view that the next bucket overwrites.

    Raises:
        TypeError: not float32.
    """
    import jittor as jt

    for array in arrays:
        if array.dtype != np.float32:
            raise TypeError(f"ranks sum float32, got {array.dtype}")
    buckets = _buckets([array.size for array in arrays], _BUCKET_BYTES // 4)
    if not buckets:
        return
    bucket = jt.zeros(sum(part.stop - part.start for _, part in buckets[0]))
    bucket.sync()
    memory = bucket.data
    for pieces in buckets:
        ends = np.cumsum([0, *(part.stop - part.start for _, part in pieces)])
        positions = [slice(start, stop) for start, stop in pairwise(ends)]
        for (array, part), place in zip(pieces, positions, strict=True):
            memory[place] = arrays[array][part]
        with waiting_for_others():
            jt.mpi.var_all_reduce(bucket)
        for (array, part), place in zip(pieces, positions, strict=True):
            yield array, part, memory[place]


def _buckets(sizes: Sequence[int], capacity: int) -> list[list[tuple[int, slice]]]:
    """Slices of arrays packed into buckets of `capacity` elements, in order; all but the last are full."""
    buckets, free = [], 0
    for array, size in enumerate(sizes):
        start = 0
        while start < size:
            if not free:
                buckets.append([])
                free = capacity
            stop = min(size, start + free)
            buckets[-1].append((array, slice(start, stop)))
            free -= stop - start
            start = stop
    return buckets


def _from_first(values: np.ndarray) -> np.ndarray:
    """Rank 0's values; the other ranks' have the same shape and dtype."""
    return _from_rank(0, values)


def _from_rank(root: int, values: np.ndarray) -> np.ndarray:
    """The values of rank `root`; the other ranks' have the same shape and dtype."""
    import jittor as jt

    received = np.ascontiguousarray(values).copy()
    # As bytes: Jittor's broadcast supports few dtypes.
    with waiting_for_others():
        jt.mpi.broadcast(received.reshape(-1).view(np.uint8), root)
    return received
