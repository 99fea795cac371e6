"""Opens fine-tuned networks that `pipeline.finetune.model_file` wrote."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jittor import nn
from pydantic import ValidationError

from pipeline.classification.network import LABEL_SETS, Classifier
from pipeline.config.backbone import BackboneConfig
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.finetune import FinetuneConfig
from pipeline.detection.cascade import CascadeMaskRcnn
from pipeline.models.backbones import build_backbone
from pipeline.models.dense_backbone import DenseBackbone
from pipeline.models.weights import WeightsError, assign_arrays
from pipeline.segmentation.network import SegmentationNetwork
from pipeline.weights.arrays import read_arrays

_CONFIGS = {"segment": SegmentConfig, "detect": DetectConfig, "classify": FinetuneConfig}
_MASKS = "heads.masks."  # prefix of a detector's mask heads


@dataclass(frozen=True, eq=False)
class Model:
    """A fine-tuned network in evaluation mode, and the settings of its training."""

    network: nn.Module
    config: Any  # section of the stage that trained it
    class_names: list[str]
    mean: np.ndarray  # (3,) of pixels in [0, 1]
    std: np.ndarray
    is_multilabel: bool = False  # a classifier of images with any number of classes


def open_model(path: Path, task: str) -> Model:
    """Read a model.

    Args:
        task: "segment", "detect" or "classify".

    Raises:
        WeightsError: not such a model, or arrays that do not fit it.
    """
    arrays, metadata = read_arrays(path)
    settings = metadata.get("config")
    is_multilabel = isinstance(settings, dict) and settings.pop(LABEL_SETS, False) is True
    try:
        config = _CONFIGS[task].model_validate(metadata["config"])
        architecture = BackboneConfig.model_validate(metadata["architecture"])
        names, mean, std = (metadata[key] for key in ("class_names", "mean", "std"))
    except (KeyError, ValidationError) as error:
        raise WeightsError(
            f"{path}: no fine-tuned model to {task} with; its metadata lack {error}"
        ) from error
    encoder = build_backbone(architecture)
    if task == "classify":
        network = Classifier(encoder, len(names), pooling=config.pooling, seed=config.seed)
    else:
        taps = DenseBackbone(encoder, tap_norm=config.heads.tap_norm, frozen=config.frozen)
        if task == "segment":
            network = SegmentationNetwork(taps, config, len(names))
        else:
            masks = any(name.startswith(_MASKS) for name in arrays)
            network = CascadeMaskRcnn(taps, config.heads, len(names), masks=masks, seed=config.seed)
    assign_arrays(network, arrays, origin=str(path))
    network.eval()
    statistics = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    return Model(network, config, names, *statistics, is_multilabel)
