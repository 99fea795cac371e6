"""Writes a fine-tuned network as one safetensors file that describes itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jittor import nn

from pipeline.models.backbone_file import FrozenBackbone
from pipeline.models.weights import named_arrays
from pipeline.weights.arrays import write_arrays


def save_model(
    path: Path,
    network: nn.Module,
    settings: Mapping[str, object],
    class_names: Sequence[str],
    stored: FrozenBackbone,
) -> None:
    """Write every array of a network, backbone and head, whole or not at all.

    Args:
        settings: the stage's resolved section, as JSON values.
        class_names: in the order of the network's classes.
        stored: the backbone that training started from, with its architecture and input statistics.
    """
    metadata = {
        "config": dict(settings),
        "class_names": list(class_names),
        "architecture": stored.config.model_dump(mode="json"),
        "mean": stored.mean.tolist(),
        "std": stored.std.tolist(),
    }
    write_arrays(path, named_arrays(network), metadata)
