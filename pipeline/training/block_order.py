"""Which images an optimiser step sees where images are read in blocks and shuffled in a buffer.

Consecutive images form blocks. An epoch goes through all blocks in random order; as many as the buffer holds
are a window, and the images of a window are shuffled with one another. So storage is read in long stretches,
and never more than a window has to be held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.training.random_generators import Purpose, generator


class Window(NamedTuple):
    """One window of one epoch; both count from 0."""

    epoch: int
    index: int


@dataclass(frozen=True)
class BlockOrder:
    """The order of `num_images` images, a function of (seed, epoch): nothing is remembered over a resume.

    Raises:
        ValueError: no images.
    """

    num_images: int
    block: int  # images
    buffer: int  # images, at least one block; only whole blocks are held
    seed: int

    def __post_init__(self):
        if self.num_images < 1:
            raise ValueError("no images to train on")

    def parts_of_step(self, step: int, batch_size: int) -> Iterator[tuple[Window, np.ndarray]]:
        """Windows of one step, each with what the step takes from it: (m,) int64 places of images."""
        first, end = step * batch_size, (step + 1) * batch_size
        while first < end:
            epoch, offset = divmod(first, self.num_images)
            starts = _starts(self, epoch)
            index = int(np.searchsorted(starts, offset, side="right")) - 1
            taken = min(end - first, int(starts[index + 1]) - offset)
            begin = offset - int(starts[index])
            window = Window(epoch, index)
            yield window, self.positions(window)[begin : begin + taken]
            first += taken

    def positions(self, window: Window) -> np.ndarray:
        """The images of a window in the order in which they are seen: (w,) int64 from 0 to num_images - 1."""
        return _shuffled(self, window)

    def blocks(self, window: Window) -> list[np.ndarray]:
        """The images of a window in the order in which they are read: consecutive ones in each block."""
        held = self.buffer // self.block
        chosen = _block_order(self, window.epoch)[window.index * held : (window.index + 1) * held]
        starts = (chosen * self.block).tolist()
        return [np.arange(start, min(start + self.block, self.num_images)) for start in starts]

    def next(self, window: Window) -> Window:
        """The window after another one."""
        is_last = window.index + 2 == len(_starts(self, window.epoch))
        return Window(window.epoch + 1, 0) if is_last else Window(window.epoch, window.index + 1)


@lru_cache(maxsize=2)  # a step may straddle two epochs
def _block_order(order: BlockOrder, epoch: int) -> np.ndarray:
    num_blocks = -(-order.num_images // order.block)
    return generator(order.seed, Purpose.BLOCK_ORDER, epoch).permutation(num_blocks)


@lru_cache(maxsize=2)
def _starts(order: BlockOrder, epoch: int) -> np.ndarray:
    """(W + 1,): images of the epoch before each of its W windows, then all of them."""
    blocks = _block_order(order, epoch)
    sizes = np.minimum(order.block, order.num_images - blocks * order.block)  # the last block may be short
    in_windows = np.add.reduceat(sizes, np.arange(0, len(blocks), order.buffer // order.block))
    return np.concatenate([[0], np.cumsum(in_windows)])


@lru_cache(maxsize=3)  # the window in use, the one before for a late thread, the one after
def _shuffled(order: BlockOrder, window: Window) -> np.ndarray:
    positions = np.concatenate(order.blocks(window))
    generator(order.seed, Purpose.WINDOW_ORDER, *window).shuffle(positions)
    positions.flags.writeable = False
    return positions
