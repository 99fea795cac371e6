"""The samples of shards as a list that stays small at millions."""

import os
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Sample(NamedTuple):
    """One image, where it lies, and its label."""

    image: str  # name of the member
    start: int
    size: int
    label: str | None
    shard: int
    problem: str | None


class Samples:
    """Samples one after another, in columns: about 40 bytes each beside the member's name."""

    def __init__(self) -> None:
        self._names, self._ends = bytearray(), array("q")
        self._numbers = array("q")  # start, size, shard, label's number or -1, per sample
        self._problems: dict[int, str] = {}
        self._labels: dict[str, int] = {}

    def add(self, sample: Sample) -> None:
        """Append one."""
        if sample.problem is not None:
            self._problems[len(self)] = sample.problem
        code = -1 if sample.label is None else self._labels.setdefault(sample.label, len(self._labels))
        self._names += os.fsencode(sample.image)
        self._ends.append(len(self._names))
        self._numbers.extend((sample.start, sample.size, sample.shard, code))

    @property
    def labels(self) -> Iterable[str]:
        """Every label that a sample has."""
        return self._labels.keys()

    @property
    def num_unlabelled(self) -> int:
        """Samples without a label."""
        return self._numbers[3::4].count(-1)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Sample]:
        labels = [*self._labels, None]  # the last one is that of -1
        begin = 0
        for number, end in enumerate(self._ends):
            start, size, shard, code = self._numbers[4 * number : 4 * number + 4]
            name = os.fsdecode(bytes(self._names[begin:end]))
            yield Sample(name, start, size, labels[code], shard, self._problems.get(number))
            begin = end
