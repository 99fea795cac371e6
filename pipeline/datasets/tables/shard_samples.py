"""The samples of shards in columns that stay small with millions of samples."""

import os
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """Position and label of one image."""

    image: str  # name of the member
    start: int
    size: int
    cell: Any  # class or classes, as read; None: none
    shard: int
    problem: str | None


class Samples:
    """Samples in columns: about 40 bytes each besides the member's name; equal cells are stored once."""

    def __init__(self) -> None:
        self._names, self._ends = bytearray(), array("q")
        self._numbers = array("q")  # start, size, shard, cell's number or -1, per sample
        self._problems: dict[int, str] = {}
        self._codes: dict[str, int] = {}  # by a cell's `repr`, because lists have no hash
        self.cells: list[Any] = []  # distinct ones, in order of appearance
        self.origins: list[str] = []  # of the first sample of each

    def add(self, sample: Sample, origin: str) -> None:
        """Append a sample; `origin` is its name in messages."""
        if sample.problem is not None:
            self._problems[len(self)] = sample.problem
        code = -1
        if sample.cell is not None:
            code = self._codes.setdefault(repr(sample.cell), len(self.cells))
            if code == len(self.cells):
                self.cells.append(sample.cell)
                self.origins.append(origin)
        self._names += os.fsencode(sample.image)
        self._ends.append(len(self._names))
        self._numbers.extend((sample.start, sample.size, sample.shard, code))

    def num_of(self, codes: set[int]) -> int:
        """Number of samples whose cells have these numbers; -1 stands for samples without a cell."""
        own = self._numbers[3::4]
        return sum(own.count(code) for code in codes)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[tuple[Sample, int]]:
        """Every sample, with its cell's number, -1 for none."""
        begin = 0
        for number, end in enumerate(self._ends):
            start, size, shard, code = self._numbers[4 * number : 4 * number + 4]
            name = os.fsdecode(bytes(self._names[begin:end]))
            cell = self.cells[code] if code >= 0 else None
            yield Sample(name, start, size, cell, shard, self._problems.get(number)), code
            begin = end
