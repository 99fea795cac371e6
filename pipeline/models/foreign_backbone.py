"""Builds a base from another project's weights."""

import numpy as np

from pipeline.models.backbone_file import FrozenBackbone
from pipeline.models.backbones import build_backbone
from pipeline.models.weights import assign_arrays
from pipeline.weights.foreign import ForeignBackbone

WEIGHTS = "foreign"  # their kind in the backbone's file


def foreign_backbone(foreign: ForeignBackbone, origin: str) -> FrozenBackbone:
    """The base with these arrays; a mask token missing in the file is zero.

    Args:
        origin: the file, for messages.

    Raises:
        WeightsError: the arrays do not fit.
    """
    network = build_backbone(foreign.config)
    mask_token = np.zeros(tuple(network.mask_token.shape), np.float32)
    assign_arrays(network, {"mask_token": mask_token} | foreign.arrays, origin)
    for parameter in network.parameters():
        parameter.stop_grad()
    return FrozenBackbone(network, foreign.config, WEIGHTS, foreign.mean, foreign.std)
