"""The levels of a detector's feature pyramid, as rows of one table.

Shapes: B images, C channels, h x w positions of a level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import jittor as jt
import numpy as np


@dataclass(frozen=True, eq=False)
class Levels:
    """Maps with the channels last, behind one another: what reads all levels is one operator.

    Attributes:
        table: (R, C), in the order level, fine to coarse, image, row, column.
        batch: B.
        sizes: h, w of each level.
    """

    table: jt.Var
    batch: int
    sizes: tuple[tuple[int, int], ...]

    @property
    def map_sizes(self) -> list[tuple[int, int, int]]:
        """B, h, w of each level."""
        return [(self.batch, *size) for size in self.sizes]

    def places(self, num_each: int) -> np.ndarray:
        """Where what belongs to an image's positions is, if every row of the table has `num_each` of it.

        Returns:
            (B, N), read-only: numbers in 0..B N - 1, in the order level, row, column, number in the row.
        """
        return _places(self.batch, self.sizes, num_each)


def starts_of(batch: int, sizes: Sequence[tuple[int, int]]) -> np.ndarray:
    """The first row of each level."""
    return np.cumsum([0, *(batch * height * width for height, width in sizes)])[:-1]


@lru_cache(maxsize=32)  # few sizes of images recur
def _places(batch: int, sizes: tuple[tuple[int, int], ...], num_each: int) -> np.ndarray:
    starts = starts_of(batch, sizes)
    parts = [
        start * num_each + np.arange(batch * height * width * num_each).reshape(batch, -1)
        for start, (height, width) in zip(starts, sizes, strict=True)
    ]
    places = np.concatenate(parts, axis=1)
    places.setflags(write=False)
    return places
