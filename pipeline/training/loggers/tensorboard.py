"""TensorBoard's event files, by tensorboardX."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import image, scalar

from pipeline.training.loggers.logger import LoggedRun


class TensorBoardLogger:
    """One folder per run. Event files are append-only, so a resumed run rewrites them from its log.

    The format stores float32. Events are written in the calling thread: the SummaryWriter of tensorboardX
    uses a background thread, and waits for ever once a full disk has ended it.
    """

    last_step = 0

    def __init__(self, run: LoggedRun):
        folder = run.folder / "tensorboard" / run.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._writer = EventsWriter(str(folder / "events"))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._write(step, scalar(name, value))
        self._writer.flush()

    def log_pictures(self, step: int, pictures: Mapping[str, Path]) -> None:
        for name, path in pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._write(step, image(f"monitor/{name}", pixels, dataformats="HWC"))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, step: int, summary: Summary) -> None:
        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
