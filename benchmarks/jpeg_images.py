"""Batches of pretraining from JPEG files, made in the loader's threads as a training makes them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.photographs import write_photographs
from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.datasets.decode import decode
from pipeline.pretrain.batch import Batch, PackedBatch
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.training.loop import loader_threads
from pipeline.training.prefetch import prefetch
from pipeline.transforms import on_device


class JpegImages:
    """A stand-in for a prepared data set: JPEG files that are all training images."""

    def __init__(self, paths: list[Path]):
        self._paths = paths

    def indices(self, split: str) -> np.ndarray:
        return np.arange(len(self._paths))

    def images(self, rows: Iterable[int], at_least: int | None = None) -> list[np.ndarray]:
        return [decode(self._paths[row], at_least=at_least) for row in rows]


class JpegBatches:
    """Makes the batches of any steps; on a card, of images whose crops are made there.

    Args:
        folder: gets the files.
        num_images: number of files.
        threads: of a training, by which its loader has as many as it has.
    """

    def __init__(self, config: PretrainConfig, folder: Path, *, num_images: int, threads: int):
        dataset = JpegImages(write_photographs(folder, num_images))
        self._make = BatchMaker(config, dataset, on_device=on_device.available())
        self._threads = loader_threads(RuntimeConfig(threads=threads))

    def of_steps(self, steps: range) -> Iterator[Batch | PackedBatch]:
        """The batches of these steps, in order, made ahead of their use."""
        return prefetch(self._make, steps, num_threads=self._threads, depth=max(4, 2 * self._threads))
