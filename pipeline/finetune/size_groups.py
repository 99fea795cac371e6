"""Batches of test images: only consecutive images of one size share a batch; none is padded for another."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from pipeline.datasets.prepared import PreparedDataset
from pipeline.training.prefetch import prefetch

Loaded = TypeVar("Loaded")


def loaded_groups(
    dataset: PreparedDataset,
    rows: list[int],
    batch_of: Callable[[tuple[int, int]], int],
    load: Callable[[list[int]], Loaded],
    num_threads: int,
) -> Iterator[tuple[list[int], Loaded]]:
    """Yield groups of rows, in order, each with what `load` returns for it; groups are loaded ahead.

    Args:
        batch_of: returns the largest batch for images of a (width, height), at least 1.
        load: called in `num_threads` threads at once.
    """
    groups = list(size_groups(dataset, rows, batch_of))
    loaded = prefetch(
        lambda step: load(groups[step]),
        range(len(groups)),
        num_threads=num_threads,
        depth=2 * num_threads,
    )
    yield from zip(groups, loaded, strict=True)


def size_groups(
    dataset: PreparedDataset, rows: list[int], batch_of: Callable[[tuple[int, int]], int]
) -> Iterator[list[int]]:
    """Groups of consecutive images of one size, at most `batch_of(size)` each; every row once, in order."""
    group: list[int] = []
    for row in rows:
        size = dataset.size(row)
        if group and (size != dataset.size(group[0]) or len(group) >= batch_of(size)):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
