"""Makes batches ahead of their use, in background threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")


def prefetch(
    make: Callable[[int], Batch], steps: Iterable[int], *, num_threads: int = 2, depth: int = 4
) -> Iterator[Batch]:
    """Yield make(step) for each step, in order.

    Threads start at the first `next` and have ended when the iterator is exhausted, closed or raises.
    `steps` is read in the consumer's thread, at most `depth` steps ahead.

    Args:
        make: called from several threads; its result may depend on the step only.
        num_threads: 0 makes each batch on demand, in the consumer's thread.
        depth: largest number of batches in progress or finished and not yet consumed.

    Raises:
        ValueError: fewer than 0 threads, or depth below 1.
        Exception: raised by `make`; passed on when its step's turn comes.
    """
    if num_threads < 0 or depth < 1:
        raise ValueError(f"expected num_threads >= 0 and depth >= 1, got {num_threads} and {depth}")
    if num_threads == 0:
        return map(make, steps)
    return _prefetched(make, iter(steps), num_threads, depth)


def _prefetched(
    make: Callable[[int], Batch], steps: Iterator[int], num_threads: int, depth: int
) -> Iterator[Batch]:
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="prefetch")
    under_way: deque[Future[Batch]] = deque()
    try:
        for step in steps:
            under_way.append(pool.submit(make, step))
            if len(under_way) == depth:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
