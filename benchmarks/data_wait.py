"""Measures how long training steps wait for data, with the training loop's own counter."""

from pathlib import Path

import jittor as jt

from benchmarks.jpeg_images import JpegBatches
from benchmarks.step_inputs import step_rates
from benchmarks.step_sizes import step_config
from pipeline import kernels
from pipeline.pretrain.step import initial_state, train_step
from pipeline.training.throughput import Throughput


class DataWait:
    """A repeat returns the share of time, in %, that `steps` training steps waited for their batches."""

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        self.config = step_config(parameters["size"], parameters.get("changes"))
        kernels.use_precision(self.config.schedule.precision)
        self.rates, self.steps = step_rates(self.config), parameters.get("steps", 8)
        num_images, threads = parameters.get("images", 64), parameters["threads"]
        self.batches = JpegBatches(self.config, folder, num_images=num_images, threads=threads)
        self.state = initial_state(self.config)
        self.check: dict[str, float] = {}
        self._train(range(2))

    def repeat(self) -> float:
        return 100 * self._train(range(self.state.step, self.state.step + self.steps))

    def _train(self, steps: range) -> float:
        throughput = Throughput(steps.start, self.config.schedule.batch_size)
        for batch in self.batches.of_steps(steps):
            if self.state.step == steps.start:  # the wait for the first batch does not count
                throughput = Throughput(steps.start, self.config.schedule.batch_size)
            throughput.batch_arrived()
            self.state, _ = train_step(self.state, batch.rendered(), self.rates, self.config)
            jt.sync_all(True)
            throughput.batch_requested()
        return throughput.read(self.state.step)["data_wait_share"]
