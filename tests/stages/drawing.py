"""The artifact of a backbone with initial values, as the stage `initialize` writes it."""

from pathlib import Path

from pipeline.config.backbone import BackboneConfig
from pipeline.config.stages import InitializeConfig, RuntimeConfig
from stages import initialize


def drawn_backbone(folder: Path, backbone: BackboneConfig, images: Path, seed: int = 1) -> Path:
    """Make `folder`, draw a backbone for prepared images into it, and return it."""
    folder.mkdir()
    config = InitializeConfig(backbone=backbone, normalization="dataset", seed=seed)
    initialize.run(config, folder, data=images, runtime=RuntimeConfig(threads=1))
    return folder
