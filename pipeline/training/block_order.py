"""The order of training images that are read in blocks and shuffled in a buffer.

Consecutive images form blocks. An epoch goes through all blocks in random order; as many as the buffer holds
form a window, whose images are shuffled. So storage is read sequentially block by block, and only one window
has to be held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.training.random_generators import Purpose, generator


class Window(NamedTuple):
    """A window of an epoch; both count from 0."""

    epoch: int
    index: int


@dataclass(frozen=True)
class BlockOrder:
    """The order of `num_images` images, a function of (seed, epoch): a resume needs no saved state.

    Raises:
        ValueError: no images.
    """

    num_images: int
    block: int  # in images
    buffer: int  # in images, at least one block; only whole blocks are held
    seed: int

    def __post_init__(self):
        if self.num_images < 1:
            raise ValueError("no images to train on")

    def parts_of_step(self, step: int, batch_size: int) -> Iterator[tuple[Window, np.ndarray]]:
        """The windows of one step, each with the images that the step takes from it, (m,) int64."""
        first, end = step * batch_size, (step + 1) * batch_size
        while first < end:
            epoch, offset = divmod(first, self.num_images)
            starts = _starts(self, epoch)
            index = int(np.searchsorted(starts, offset, side="right")) - 1
            taken = min(end - first, int(starts[index + 1]) - offset)
            begin = offset - int(starts[index])
            window = Window(epoch, index)
            yield window, self.images(window)[begin : begin + taken]
            first += taken

    def images(self, window: Window) -> np.ndarray:
        """The images of a window in training order: (w,) int64 from 0 to num_images - 1."""
        return _shuffled(self, window)

    def blocks(self, window: Window) -> list[np.ndarray]:
        """The images of a window in reading order: an array of consecutive images for each block."""
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
    """(W + 1,): number of images before each of the epoch's W windows, then of all."""
    blocks = _block_order(order, epoch)
    sizes = np.minimum(order.block, order.num_images - blocks * order.block)  # the last block may be short
    in_windows = np.add.reduceat(sizes, np.arange(0, len(blocks), order.buffer // order.block))
    return np.concatenate([[0], np.cumsum(in_windows)])


@lru_cache(maxsize=3)  # the window in use, the one before for a late thread, the one after
def _shuffled(order: BlockOrder, window: Window) -> np.ndarray:
    images = np.concatenate(order.blocks(window))
    generator(order.seed, Purpose.WINDOW_ORDER, *window).shuffle(images)
    images.flags.writeable = False
    return images
