"""Input and result of a layout's conversion."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipeline.config.backbone import BackboneConfig
from pipeline.weights.tensors import Tensors

NORM_EPS = 1e-6  # of the layer norms in ViT and ConvNeXt


@dataclass(frozen=True)
class Known:
    """Facts that the tensors do not show; None if unknown."""

    image_size: int | None = None  # pixels
    num_heads: int | None = None
    prefix: str = ""  # of the names in a larger network, removed before


@dataclass(frozen=True)
class Converted:
    """A base of this project."""

    config: BackboneConfig
    arrays: dict[str, np.ndarray]  # by the names of `build_backbone(config)`; "mask_token" may be missing


def checked_config(tensors: Tensors, **numbers: Any) -> BackboneConfig:
    """The configuration of a base with these sizes.

    Raises:
        WeightsError: no base of this project has these sizes.
    """
    try:
        return BackboneConfig(size="custom", **numbers)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise tensors.error(f"no base of this project has these sizes: {message}") from error


def mlp_ratio(tensors: Tensors, name: str, dim: int) -> float:
    """Ratio of an MLP's hidden channels to its input channels, from its first layer's shape (hidden, dim)."""
    hidden = tensors.shape(name, 2)[0]
    if int(dim * (hidden / dim)) != hidden:
        raise tensors.error(f"{name!r}: {hidden} hidden channels are no multiple of {dim} that can be stated")
    return hidden / dim


def count(tensors: Tensors, pattern: str) -> int:
    """Number of consecutive names `pattern.format(0)`, `pattern.format(1)`, ... that exist."""
    num = 0
    while pattern.format(num) in tensors:
        num += 1
    return num
