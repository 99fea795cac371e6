"""A base to export, with the information that its readers need."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.backbone import BackboneConfig


@dataclass(frozen=True)
class DescribedBase:
    """Arrays by this project's names, with metadata."""

    name: str  # experiment, arm and seed
    config: BackboneConfig
    arrays: dict[str, np.ndarray]
    mean: np.ndarray  # (3,) float32, of pixels in [0, 1]
    std: np.ndarray  # (3,) float32
    resize: int  # pixels of the short side, before the central square of `config.image_size` is cropped
    table: str = ""  # measurements, as Markdown; empty if there are none

    @property
    def crop_share(self) -> float:
        """Side of the central square relative to the short side: timm's `crop_pct`."""
        return self.config.image_size / self.resize
