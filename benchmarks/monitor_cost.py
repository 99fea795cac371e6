"""Measures the monitor's share of a training: one measurement, relative to the steps between two."""

import time
from collections.abc import Callable
from pathlib import Path

import jittor as jt
import numpy as np

from benchmarks.step_inputs import step_batches, step_rates
from pipeline import kernels
from pipeline.config.monitor import MonitorConfig
from pipeline.config.reading import read_experiment
from pipeline.pretrain.monitor.monitor import Monitor
from pipeline.pretrain.step import initial_state, train_step

EVERY_EPOCHS = 5  # as in docs/monitor.md


class NoiseImages:
    """A stand-in for a prepared data set: images of noise that are all training images."""

    name = "noise"

    def __init__(self, num: int, side: int, num_classes: int):
        rng = np.random.default_rng(0)
        self._pixels = rng.integers(0, 256, (num, side, side, 3), np.uint8)
        self.labels = np.arange(num) % num_classes
        self.mean, self.std = np.full(3, 0.5, np.float32), np.full(3, 0.25, np.float32)

    def indices(self, split: str) -> np.ndarray:
        return np.arange(len(self._pixels))

    def image(self, i: int, at_least: int | None = None) -> np.ndarray:
        return self._pixels[i]


class MonitorCost:
    """A repeat returns the share of time, in %, that the monitor adds to `quickstart`'s training of HSSL.

    Args:
        parameters: `steps`, timed in each repeat; `images`, size of the monitor's sample.
    """

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        experiment = read_experiment("quickstart")
        self._steps, num_images = parameters["steps"], parameters["images"]
        monitor = MonitorConfig(every_epochs=EVERY_EPOCHS, num_images=num_images)
        self._config = experiment.pretrain_config("hssl", 0).model_copy(update={"monitor": monitor})
        steps_of_epoch = experiment.data.photo_scenes.num_train // self._config.schedule.batch_size
        self._steps_between = EVERY_EPOCHS * steps_of_epoch
        self._batches, self._rates = step_batches(self._config), step_rates(self._config)
        self._state = initial_state(self._config)
        side = experiment.data.photo_scenes.image_size
        self._monitor = Monitor(self._config, NoiseImages(num_images, side, num_classes=15))
        self.check: dict[str, float] = {}
        self.repeat()  # compiles

    def repeat(self) -> float:
        step = self._seconds_of(self._train) / self._steps
        look = self._seconds_of(lambda: self._monitor.measured(self._state, self._rates))
        return 100 * look / (self._steps_between * step)

    def _train(self) -> None:
        for _ in range(self._steps):
            batch = self._batches[self._state.step % len(self._batches)]
            self._state, _ = train_step(self._state, batch, self._rates, self._config)
        jt.sync_all(True)

    def _seconds_of(self, act: Callable[[], object]) -> float:
        start = time.perf_counter()
        act()
        return time.perf_counter() - start
