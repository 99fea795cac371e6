"""Converts this project's arrays to timm's names, the inverse of `pipeline.weights`.

To add one: a file here with a function (BackboneConfig, arrays) -> TimmBase, and a line in `LAYOUTS`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.layouts.convnext import timm_convnext
from pipeline.export.layouts.resnet import timm_resnet
from pipeline.export.layouts.swin import timm_swin
from pipeline.export.layouts.timm_base import TimmBase
from pipeline.export.layouts.vit import timm_vit

# Kind of base -> its conversion.
LAYOUTS: dict[str, Callable[[BackboneConfig, Mapping[str, np.ndarray]], TimmBase]] = {
    "vit": timm_vit,
    "swin": timm_swin,
    "convnext": timm_convnext,
    "resnet": timm_resnet,
}


def timm_base(config: BackboneConfig, arrays: Mapping[str, np.ndarray]) -> TimmBase:
    """Convert a base to timm's names.

    Args:
        arrays: by this project's names; the mask token, which timm's networks do not have, is left out.

    Raises:
        ExportError: no network in timm computes the same.
    """
    return LAYOUTS[config.kind](config, arrays)
