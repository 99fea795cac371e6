"""Times the way of images from JPEG files to crops on a card."""

import time
from pathlib import Path

import jittor as jt

from benchmarks.jpeg_images import JpegBatches
from benchmarks.step_sizes import step_config
from pipeline import kernels


class CardLoading:
    """A repeat returns the seconds in which `steps` batches became crops on the card; nothing trains."""

    def __init__(self, parameters: dict, folder: Path):
        kernels.use("fused")
        config = step_config(parameters["size"], parameters.get("changes"))
        self.steps = range(parameters["steps"])
        num_images = len(self.steps) * config.schedule.batch_size
        self.batches = JpegBatches(config, folder, num_images=num_images, threads=parameters["threads"])
        first, *_ = self.batches.of_steps(range(1))
        self.check = {"numbers of a batch": float(first.rendered().global_crops.numel())}
        self.repeat()

    def repeat(self) -> float:
        """Seconds for all images once."""
        started = time.perf_counter()
        for batch in self.batches.of_steps(self.steps):
            batch.rendered().global_crops.sync()
        jt.sync_all(True)
        return time.perf_counter() - started
