"""Writing and reading the checkpoint of a pretraining."""

import time
from pathlib import Path

from benchmarks.resident import resident_mib
from benchmarks.step_sizes import step_config
from pipeline.pretrain.step import initial_state
from pipeline.training.checkpoint import load_checkpoint, save_checkpoint

SIZES = {6: "tiny", 22: "small", 86: "base", 304: "large"}  # millions of parameters -> the ViT's size


class CheckpointSize:
    """A repeat returns the seconds of writing one; `report` returns its size and the seconds of reading it.

    Args:
        parameters: `millions`, a key of `SIZES`.
    """

    def __init__(self, parameters: dict, folder: Path):
        size = {"backbone": {"size": SIZES[parameters["millions"]]}}
        self.state = initial_state(step_config("vit-small", size))
        self.path = folder / "checkpoint.safetensors"
        self.check: dict[str, float] = {}
        self.extra = {"start_mib": resident_mib()}

    def repeat(self) -> float:
        """Seconds of writing."""
        started = time.perf_counter()
        save_checkpoint(self.path, self.state, run="benchmark")
        return time.perf_counter() - started

    def report(self) -> dict[str, float]:
        """Bytes of the file, and seconds of reading it into a state."""
        started = time.perf_counter()
        load_checkpoint(self.path, self.state)
        return {"bytes": self.path.stat().st_size, "read_seconds": time.perf_counter() - started}
