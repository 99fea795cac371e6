"""Measures how long training steps wait for data, with the training loop's own counter."""

from collections.abc import Iterable
from pathlib import Path

import jittor as jt
import numpy as np

from benchmarks.photographs import write_photographs
from benchmarks.step_inputs import step_rates
from benchmarks.step_sizes import step_config
from pipeline import kernels
from pipeline.datasets.decode import decode
from pipeline.pretrain.batch_maker import BatchMaker
from pipeline.pretrain.step import initial_state, train_step
from pipeline.training.prefetch import prefetch
from pipeline.training.throughput import Throughput


class JpegImages:
    """A stand-in for a prepared data set: JPEG files that are all training images."""

    def __init__(self, paths: list[Path]):
        self._paths = paths

    def indices(self, split: str) -> np.ndarray:
        return np.arange(len(self._paths))

    def images(self, rows: Iterable[int], at_least: int | None = None) -> list[np.ndarray]:
        return [decode(self._paths[row], at_least=at_least) for row in rows]


class DataWait:
    """A repeat returns the share of time, in %, that `steps` training steps waited for their batches."""

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        self.config = step_config(parameters["size"])
        self.rates, self.steps = step_rates(self.config), parameters.get("steps", 8)
        dataset = JpegImages(write_photographs(folder, 64))
        self.make_batch = BatchMaker(self.config, dataset)
        self.state = initial_state(self.config)
        self.check: dict[str, float] = {}
        self._train(range(2))

    def repeat(self) -> float:
        return 100 * self._train(range(self.state.step, self.state.step + self.steps))

    def _train(self, steps: range) -> float:
        batches = prefetch(self.make_batch, steps)
        throughput = Throughput(steps.start, self.config.schedule.batch_size)
        for batch in batches:
            if self.state.step == steps.start:  # the wait for the first batch does not count
                throughput = Throughput(steps.start, self.config.schedule.batch_size)
            throughput.batch_arrived()
            self.state, _ = train_step(self.state, batch, self.rates, self.config)
            jt.sync_all(True)
            throughput.batch_requested()
        return throughput.read(self.state.step)["data_wait_share"]
