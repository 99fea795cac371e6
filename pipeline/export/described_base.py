"""A base to export, with what a reader of its files has to know."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.backbone import BackboneConfig


@dataclass(frozen=True)
class DescribedBase:
    """Arrays by this project's names."""

    name: str  # experiment, arm and seed
    config: BackboneConfig
    arrays: dict[str, np.ndarray]
    mean: np.ndarray  # (3,) float32, of pixels in [0, 1]
    std: np.ndarray  # (3,) float32
    resize: int  # pixels of the short side, before the central square of `config.image_size` is cut
    table: str = ""  # what was measured with it, as Markdown; empty where nothing was

    @property
    def crop_share(self) -> float:
        """Side of the central square for each pixel of the short side: timm's `crop_pct`."""
        return self.config.image_size / self.resize
