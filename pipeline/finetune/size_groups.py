"""Batches test images: only consecutive images of one size share a batch, so none is padded for another."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.features import places_of_rank
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.prefetch import prefetch

Loaded = TypeVar("Loaded")


def loaded_groups(
    dataset: PreparedDataset,
    rows: list[int],
    batch_of: Callable[[tuple[int, int]], int],
    load: Callable[[list[int]], Loaded],
    num_threads: int,
    ranks: Ranks = SINGLE_PROCESS,
) -> Iterator[tuple[list[list[int]], list[int], Loaded]]:
    """Yield groups of rows, in order, each with what `load` returns for it; groups are loaded ahead.

    Several ranks go through the groups in rounds; in each, every rank has its own group.

    Args:
        batch_of: returns the largest batch for images of a (width, height), at least 1.
        load: called in `num_threads` threads at once.
        ranks: that share the groups; each loads its own.

    Yields:
        The groups of a round, in the order of ranks; this rank's group, or the last group if a last,
            incomplete round has none for it; and what `load` returned for it.
    """
    groups = list(size_groups(dataset, rows, batch_of))
    rounds = [groups[start : start + ranks.count] for start in range(0, len(groups), ranks.count)]
    own = [groups[place] for place in places_of_rank(len(groups), ranks)]
    loaded = prefetch(
        lambda step: load(own[step]), range(len(own)), num_threads=num_threads, depth=2 * num_threads
    )
    yield from zip(rounds, own, loaded, strict=True)


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
