"""A fine-tuned network to export, with the information that its readers need."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.backbone import BackboneConfig

TASKS = ("classify", "segment", "detect")


@dataclass(frozen=True)
class TunedModel:
    """Arrays by this project's names, with metadata."""

    name: str  # experiment, stage, arm and seed
    task: str  # one of `TASKS`
    architecture: BackboneConfig
    config: Any  # section of the stage that trained it
    arrays: dict[str, np.ndarray]
    class_names: list[str]
    mean: np.ndarray  # (3,) float32, of pixels in [0, 1]
    std: np.ndarray  # (3,) float32
    size: int  # side in pixels of the images for the comparison, and of those for ONNX
    multiple: int  # pixels: the network pads the sides of images to multiples of it
    table: str = ""  # measurements, as Markdown

    @property
    def resize(self) -> int:
        """Pixels of the short side, before the central square of `size` is cropped."""
        return self.config.view.resize if self.task == "classify" else self.size
