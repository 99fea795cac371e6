"""What ranks on GPUs exchange, by NCCL: sums, means and gathers of variables, from device to device.

Nothing here waits for the device. Gradients are launched and exchanged in parts, the last layers' first:
while NCCL exchanges one part, the device computes the next of the backward pass.
"""

import atexit
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import jittor as jt

from pipeline.kernels.addresses import device_addresses
from pipeline.ranks.nccl import Communicator
from pipeline.runtime.heartbeat import queued_for_others

# The least float32 of one launch of NCCL but the last. Smaller: exchanges begin earlier, and are dearer.
_PART_BYTES = 2**25


class DeviceExchange:
    """The exchange of this rank; every rank calls its methods in the same order.

    Args:
        communicator: connects the ranks.
        count: of the ranks.
    """

    def __init__(self, communicator: Communicator, count: int):
        self._communicator, self._count = communicator, count
        atexit.register(communicator.close)

    def means(self, values: Sequence[jt.Var]) -> list[jt.Var]:
        """The mean over ranks of each float32 variable, detached; bit for bit the same in every rank."""
        return self._reduced(values, mean=True)

    def sum(self, value: jt.Var) -> jt.Var:
        """The sum over ranks of a float32 variable, detached; bit for bit the same in every rank."""
        return self._reduced([value], mean=False)[0]

    def gathered(self, rows: jt.Var) -> jt.Var:
        """(n, ...) float32 of this rank -> (count n, ...) of all ranks in their order, detached."""
        _check_types([rows])
        (found,) = _made([(self._count * rows.shape[0], *rows.shape[1:])])
        _launch([rows])
        source, target = _addresses([rows, found])
        with self._queued():
            self._communicator.follow()
            self._communicator.all_gather(source, target, rows.numel())
        return found

    def _reduced(self, values: Sequence[jt.Var], *, mean: bool) -> list[jt.Var]:
        _check_types(values)
        found = _made([tuple(value.shape) for value in values])
        with self._queued():
            for part in parts([value.numel() for value in values], _PART_BYTES // 4):
                sources, targets = [values[i] for i in part], [found[i] for i in part]
                _launch(sources)
                where = _addresses([*sources, *targets])
                arrays = zip(where, where[len(part) :], (value.numel() for value in sources), strict=False)
                self._communicator.follow()
                self._communicator.all_reduce(list(arrays), mean=mean)
        return found

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """What Jittor queues after the block waits for what the block queues."""
        done = queued_for_others()
        yield
        if done is not None:
            self._communicator.then(*done)
        self._communicator.lead()


def parts(sizes: Sequence[int], least: int) -> list[list[int]]:
    """Indices of arrays exchanged together, from the last: a backward pass ends with the first layer.

    Args:
        sizes: numbers of elements; arrays without any are in no part.
        least: elements of every part but the last.
    """
    indices = [index for index in reversed(range(len(sizes))) if sizes[index]]
    ends, total = [0], 0
    for place, index in enumerate(indices, start=1):
        total += sizes[index]
        if total >= least or place == len(indices):
            ends.append(place)
            total = 0
    return [indices[start:stop] for start, stop in pairwise(ends)]


def _check_types(values: Sequence[jt.Var]) -> None:
    for value in values:
        if value.dtype != "float32":
            raise TypeError(f"ranks sum float32, got {value.dtype}")


def _made(shapes: Sequence[tuple[int, ...]]) -> list[jt.Var]:
    made = [jt.empty(shape, "float32") for shape in shapes]
    _launch(made)
    return [value.stop_grad() for value in made]


def _launch(values: Sequence[jt.Var]) -> None:
    """Launch what makes these values, and nothing else that is pending; does not wait for it."""
    jt.sync(list(values), False, False)


def _addresses(values: Sequence[jt.Var]) -> list[int]:
    # An operator is compiled for each count of variables: so for powers of two only.
    padding = (1 << (len(values) - 1).bit_length()) - len(values)
    return [int(place) for place in device_addresses([*values, *[values[-1]] * padding])[: len(values)]]
