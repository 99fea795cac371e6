"""Features on disk, whose rows are read when needed."""

from dataclasses import dataclass

import numpy as np

from pipeline.storage.mapped_rows import read_rows


@dataclass(frozen=True, eq=False)
class StackedRows:
    """The rows of several arrays one after the other, (n, D): of queries that are searched for together."""

    arrays: tuple["np.ndarray | FeatureRows", ...]  # each (n, D)

    @property
    def parts(self) -> list[slice]:
        """The rows of each array."""
        ends = np.cumsum([len(array) for array in self.arrays]).tolist()
        return [slice(end - len(array), end) for array, end in zip(self.arrays, ends, strict=True)]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.arrays[0].shape[1]

    @property
    def ndim(self) -> int:
        return 2

    def __len__(self) -> int:
        return sum(len(array) for array in self.arrays)

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, end, _ = rows.indices(len(self))
        read = [
            array[max(first, part.start) - part.start : min(end, part.stop) - part.start]
            for array, part in zip(self.arrays, self.parts, strict=True)
            if part.start < end and first < part.stop
        ]
        return read[0] if len(read) == 1 else np.concatenate(read)


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Features (n, sum of D): the channels of several arrays side by side, concatenated when rows are read.

    Rows are read as float32. Nothing of memory-mapped arrays stays in memory.
    """

    parts: tuple[np.ndarray, ...]  # each (N, D) float32 or float16, maybe memory-mapped
    rows: np.ndarray | None = None  # (n,) int64: rows of the parts; None: all, n = N

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), sum(part.shape[1] for part in self.parts)

    @property
    def ndim(self) -> int:
        return 2

    def __len__(self) -> int:
        return len(self.parts[0] if self.rows is None else self.rows)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        chosen = rows if self.rows is None else self.rows[rows]
        read = [read_rows(part, chosen) for part in self.parts]
        return read[0] if len(read) == 1 else np.concatenate(read, axis=1)

    def held(self, most_bytes: int) -> "np.ndarray | FeatureRows":
        """All rows, in memory if they take at most so many bytes there: for rows that are read repeatedly.

        Rows in random order are read from a file one by one, which takes about 5 us each.
        """
        length, width = self.shape
        return self[:] if length * width * np.dtype(np.float32).itemsize <= most_bytes else self

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """All rows, in memory."""
        return np.asarray(self[:], dtype)
