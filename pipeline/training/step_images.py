"""The images of an optimiser step: shuffled over the whole training part, or within a read-ahead buffer."""

import numpy as np

from pipeline.config.stages import ScheduleConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.training.block_order import BlockOrder
from pipeline.training.image_order import rows_of_step
from pipeline.training.read_ahead import ReadAhead


class WholeShuffle:
    """Every epoch is a permutation of all training images. Thread-safe."""

    def __init__(self, dataset: PreparedDataset, batch_size: int, seed: int) -> None:
        self._dataset, self._batch_size, self._seed = dataset, batch_size, seed

    def rows(self, step: int) -> np.ndarray:
        """Rows of the manifest for one step: (batch_size,) int64."""
        return rows_of_step(self._dataset.indices("train"), step, self._batch_size, seed=self._seed)

    def images(self, step: int, at_least: int, share: slice = slice(None)) -> list[np.ndarray]:
        """A share of the images of `rows`, (H, W, 3) uint8 each; `at_least` as of `PreparedDataset.image`."""
        return self._dataset.images(self.rows(step)[share], at_least)


class BufferedShuffle:
    """As `WholeShuffle`, in the order of a `BlockOrder`; files are read window by window.

    Args:
        num_steps: of the whole training; nothing is read ahead beyond them.
    """

    def __init__(self, dataset: PreparedDataset, order: BlockOrder, batch_size: int, num_steps: int) -> None:
        self._dataset, self._order, self._batch_size = dataset, order, batch_size
        *_, (last, _) = order.parts_of_step(num_steps - 1, batch_size)
        self._files = ReadAhead(order, self._contents, last)

    def rows(self, step: int) -> np.ndarray:
        """Rows of the manifest for one step: (batch_size,) int64."""
        parts = self._order.parts_of_step(step, self._batch_size)
        return self._dataset.indices("train")[np.concatenate([images for _, images in parts])]

    def images(self, step: int, at_least: int, share: slice = slice(None)) -> list[np.ndarray]:
        """A share of the images of `rows`, (H, W, 3) uint8 each; `at_least` as of `PreparedDataset.image`."""
        contents = []
        for window, images in self._order.parts_of_step(step, self._batch_size):
            contents += self._files.take(window, images)
        return self._dataset.decoded(self.rows(step)[share], contents[share], at_least)

    def _contents(self, images: np.ndarray) -> list[bytes | None]:
        return self._dataset.contents(self._dataset.indices("train")[images])


def step_images(
    dataset: PreparedDataset, schedule: ScheduleConfig, *, num_steps: int, seed: int
) -> WholeShuffle | BufferedShuffle:
    """The image source that `schedule.shuffle` selects."""
    if schedule.shuffle is None:
        return WholeShuffle(dataset, schedule.batch_size, seed)
    num_images = len(dataset.indices("train"))
    order = BlockOrder(num_images, schedule.shuffle.block, schedule.shuffle.buffer, seed)
    return BufferedShuffle(dataset, order, schedule.batch_size, num_steps)
