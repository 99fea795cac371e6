"""Ranks: processes that train one network together, each on its share of every batch, by way of Jittor's MPI.

All draw the same random decisions for the whole batch and hold the same parameters. What one process would
average over the batch, each averages over its share; the mean over ranks is then the mean over the batch.

Only Jittor's calls that act at once are used, never its lazy operators: their order within a step, which must
be the same in every rank, would be the executor's choice. They follow the backward pass and do not overlap
it: Jittor runs that in one call, which lets no other Python thread run, and ranks of one machine exchange by
the cores that would compute meanwhile.
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

# What is summed at once. It stays in a core's cache from the copy into it to the copy out of it, which is
# worth more than fewer calls: of 0.25 to 64 MiB, 1 MiB took the least processor time in one run on two ranks
# beside other work; on four 2 MiB took less.
_BUCKET_BYTES = 2**20


class RanksDiffer(RuntimeError):
    """Ranks do not hold the same parameters any more."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; every method but `share` is called by all at once."""

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and logs."""
        return self.index == 0

    def share(self, num_images: int) -> slice:
        """This rank's images of a batch.

        Raises:
            ValueError: the batch does not divide.
        """
        size, rest = divmod(num_images, self.count)
        if rest:
            raise ValueError(f"a batch of {num_images} images does not divide among {self.count} ranks")
        return slice(self.index * size, (self.index + 1) * size)

    def all_reduce_mean(self, values: Sequence["jt.Var"]) -> list["jt.Var"]:
        """The mean over ranks of each value, float32, without graph; the same bits in every rank."""
        if self.count == 1:
            return list(values)
        import jittor as jt

        means = [jt.empty(value.shape, "float32") for value in values]
        jt.sync([*values, *means])
        flat_means = [mean.data.reshape(-1) for mean in means]
        for place, part, sums in _sums([value.data.reshape(-1) for value in values]):
            np.divide(sums, np.float32(self.count), out=flat_means[place][part])
        return [mean.stop_grad() for mean in means]

    def all_reduce_mean_of(self, named: Mapping[str, "jt.Var"]) -> dict[str, "jt.Var"]:
        """Likewise, of named values."""
        return dict(zip(named, self.all_reduce_mean(list(named.values())), strict=True))

    def all_reduce_sum(self, value: "jt.Var") -> "jt.Var":
        """The sum over ranks of a value, float32, without graph; the same bits in every rank."""
        if self.count == 1:
            return value
        import jittor as jt

        return jt.array(_summed(value.numpy().reshape(-1)).reshape(value.shape)).stop_grad()

    def all_gather(self, rows: "jt.Var") -> "jt.Var":
        """(n, ...) float32 of this rank -> (count n, ...) of all, in the order of ranks."""
        if self.count == 1:
            return rows
        import jittor as jt

        found = np.zeros((self.count, *rows.shape), np.float32)
        found[self.index] = rows.numpy()  # the sum of the others' zeros and this is exact
        return jt.array(_summed(found.reshape(-1)).reshape(-1, *rows.shape[1:])).stop_grad()

    def all_gather_arrays(self, array: np.ndarray) -> list[np.ndarray]:
        """An array of one shape and type in every rank -> those of all, bit by bit, in the order of ranks."""
        return [self.broadcast(root, array) for root in range(self.count)]

    def all_gather_uneven(self, array: np.ndarray) -> list[np.ndarray]:
        """(n, ...) of this rank, n of its own -> those of all, bit by bit, in the order of ranks."""
        lengths = self.all_gather_arrays(np.array([len(array)]))
        rows = [np.empty((int(length[0]), *array.shape[1:]), array.dtype) for length in lengths]
        rows[self.index] = array
        return [self.broadcast(root, of_rank) for root, of_rank in enumerate(rows)]

    def broadcast(self, root: int, array: np.ndarray) -> np.ndarray:
        """One rank's array, bit by bit; the others give one of its shape and type."""
        return array if self.count == 1 else _from_rank(root, array)

    def broadcast_decision(self, decision: bool) -> bool:
        """What the first rank decides, by its clock for example."""
        if self.count == 1:
            return decision
        return bool(_from_first(np.array([decision], np.uint8))[0])

    def check_equal(self, tensors: Mapping[str, "jt.Var"]) -> None:
        """See that all ranks hold the same bits.

        Raises:
            RanksDiffer: this rank's differ from the first one's; names the tensors.
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
        """The first rank does what is within before the others do: moves aside what is damaged, for one."""
        if not self.is_first:
            self.barrier()
        yield
        if self.is_first:
            self.barrier()

    def barrier(self) -> None:
        """Return when every rank has come here."""
        if self.count > 1:
            import jittor as jt

            with waiting_for_others():
                jt.mpi.mpi_barrier()


SINGLE_PROCESS = Ranks()


def ranks_of_this_process() -> Ranks:
    """Who this process is among those that MPI started; `SINGLE_PROCESS` where it started none."""
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
    """Sums over ranks of (n,) float32 arrays: which array, which part of it, its sums, to be used at once.

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


def _buckets(sizes: Sequence[int], room: int) -> list[list[tuple[int, slice]]]:
    """Which parts of which arrays share a bucket: all in their order, every bucket full but the last."""
    buckets, free = [], 0
    for array, size in enumerate(sizes):
        start = 0
        while start < size:
            if not free:
                buckets.append([])
                free = room
            stop = min(size, start + free)
            buckets[-1].append((array, slice(start, stop)))
            free -= stop - start
            start = stop
    return buckets


def _from_first(values: np.ndarray) -> np.ndarray:
    """The first rank's values; the other ranks' have the same shape."""
    return _from_rank(0, values)


def _from_rank(root: int, values: np.ndarray) -> np.ndarray:
    """One rank's values; the other ranks' have the same shape and type."""
    import jittor as jt

    received = np.ascontiguousarray(values).copy()
    # As bytes: Jittor's broadcast knows few types.
    with waiting_for_others():
        jt.mpi.broadcast(received.reshape(-1).view(np.uint8), root)
    return received
