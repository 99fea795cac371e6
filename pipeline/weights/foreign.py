"""Converts another project's weights to a base of this project, with notes on what was assumed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.config.weights import ForeignConfig, digest_of_source
from pipeline.weights.error import WeightsError
from pipeline.weights.layouts import convert
from pipeline.weights.layouts.converted import Known
from pipeline.weights.source import Source, read_source
from pipeline.weights.state import chosen_tensors
from pipeline.weights.statements import Statements, Statistics, statements

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ForeignBackbone:
    """A base that was read from another project's weights."""

    config: BackboneConfig
    # By this project's names, float32; "mask_token" only if the file has one.
    arrays: dict[str, np.ndarray]
    mean: np.ndarray  # (3,) float32, of pixels in [0, 1]
    std: np.ndarray  # (3,) float32
    layout: str
    notes: tuple[str, ...]  # what was taken, left out, resized and assumed


def read_foreign(config: ForeignConfig, *, numbers: bool = True) -> ForeignBackbone:
    """Read a file or folder of another project.

    Args:
        numbers: False reads shapes only, for the base's sizes: every number is 0, and the digest is not
            compared.

    Raises:
        WeightsError: the file cannot be read, its layout or a tensor is unknown, or something that it does
            not state must be configured.
    """
    path = Path(config.source)
    source = read_source(path)
    if numbers and config.sha256 is not None and (found := digest_of_source(path)) != config.sha256:
        raise WeightsError(f"{path}: its SHA-256 is {found}, expected {config.sha256}")
    stated = statements(source)
    tensors, prefix = chosen_tensors(source, config.key)
    if not numbers:
        tensors.drop_numbers()
    has_classifier = any(
        name in tensors for name in ("head.weight", "head.fc.weight", "classifier.weight", "fc.weight")
    )
    known = Known(
        image_size=config.image_size or stated.image_size,
        num_heads=config.num_heads or stated.num_heads,
        prefix=prefix,
    )
    layout, converted = convert(tensors, known)
    notes = [*stated.notes, *tensors.notes]
    certain = {"always": True, "without a classifier": not has_classifier, "never": False}
    is_imagenet = certain[layout.has_imagenet_statistics]
    mean, std = _statistics(config, stated, source, is_imagenet, notes)
    if "mask_token" not in converted.arrays:
        notes.append("no mask token in the file: it starts at zero, and evaluation does not read it")
    return ForeignBackbone(
        config=converted.config,
        arrays=converted.arrays,
        mean=np.array(mean, np.float32),
        std=np.array(std, np.float32),
        layout=layout.writer,
        notes=tuple(notes),
    )


def _statistics(
    config: ForeignConfig, stated: Statements, source: Source, is_imagenet: bool, notes: list[str]
) -> Statistics:
    """Mean and std of the input pixels: from the configuration, from the folder, or ImageNet's.

    DINO, iBOT, MAE, MoCo v3, DINOv2 and all networks of torchvision are trained with ImageNet's. Other
    classifiers use these or 0.5 throughout, and a wrong choice would cause no error.
    """
    if config.mean is not None:
        return config.mean, config.std
    if stated.statistics is not None:
        return stated.statistics
    if source.config or not is_imagenet:
        raise WeightsError(
            f"{source.path}: does not say the mean and std of its pixels, and such files differ there; "
            "state mean and std"
        )
    notes.append("assumed: ImageNet's mean and std, which self-supervised bases and torchvision's have")
    return IMAGENET
