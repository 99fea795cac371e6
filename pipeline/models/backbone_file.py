"""The exported backbone: one safetensors file with its description."""

from dataclasses import dataclass
from pathlib import Path

import jittor as jt
import numpy as np
from pydantic import ValidationError

from pipeline.config.backbone import BackboneConfig
from pipeline.models.backbones import build_backbone
from pipeline.models.encoder import Encoder
from pipeline.models.weights import WeightsError, assign_arrays, named_arrays
from pipeline.weights.arrays import read_arrays, write_arrays


@dataclass(frozen=True)
class FrozenBackbone:
    """A backbone for evaluation, with the input statistics that it was trained on."""

    network: Encoder
    config: BackboneConfig
    weights: str  # "teacher", "student" or "random"
    mean: np.ndarray  # (3,) float32, of pixels in [0, 1]
    std: np.ndarray  # (3,) float32

    def features(self, images: jt.Var, num_blocks: int) -> tuple[jt.Var, jt.Var]:
        """images (B, 3, H, W) -> see `Encoder.features`; no gradient."""
        with jt.no_grad():
            return self.network.features(images, num_blocks)


def save_backbone(path: Path, backbone: FrozenBackbone) -> None:
    """Write the backbone alone, with architecture, kind of weights and input statistics as metadata."""
    metadata = {
        "architecture": backbone.config.model_dump(mode="json"),
        "weights": backbone.weights,
        "mean": [float(value) for value in backbone.mean],
        "std": [float(value) for value in backbone.std],
    }
    write_arrays(path, named_arrays(backbone.network), metadata)


def load_backbone(path: Path) -> FrozenBackbone:
    """Read what `save_backbone` wrote, strictly.

    Raises:
        WeightsError: the file is not a backbone of this project, or its arrays do not fit its architecture.
    """
    arrays, metadata = read_arrays(path)
    try:
        config = BackboneConfig.model_validate(metadata["architecture"])
        weights, mean, std = (metadata[key] for key in ("weights", "mean", "std"))
    except (KeyError, ValidationError) as error:
        raise WeightsError(f"{path}: no backbone of this project; its metadata lack {error}") from error
    network = build_backbone(config)
    assign_arrays(network, arrays, origin=str(path))
    for parameter in network.parameters():
        parameter.stop_grad()
    return FrozenBackbone(
        network=network,
        config=config,
        weights=str(weights),
        mean=np.asarray(mean, np.float32),
        std=np.asarray(std, np.float32),
    )
