"""TensorBoard's event files, by tensorboardX."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboardX import SummaryWriter

from pipeline.training.loggers.logger import LoggedRun


class TensorBoardLogger:
    """One folder per run. Event files can only grow, so a resumed run writes them anew from its log.

    Numbers are stored as float32: the format's own.
    """

    last_step = 0

    def __init__(self, run: LoggedRun):
        folder = run.folder / "tensorboard" / run.name
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder), write_to_disk=True)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def log_pictures(self, step: int, pictures: Mapping[str, Path]) -> None:
        for name, path in pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._writer.add_image(f"monitor/{name}", pixels, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
