"""Bases: one file for each kind; what all of them offer is `pipeline.models.encoder.Encoder`."""

from collections.abc import Callable

from pipeline.config.backbone import BackboneConfig
from pipeline.models.backbones.convnext import ConvNeXt
from pipeline.models.backbones.resnet import ResNet
from pipeline.models.backbones.swin import SwinTransformer
from pipeline.models.encoder import Encoder
from pipeline.models.vit import VisionTransformer

# The kinds and their numbers for a user: BASES in pipeline/config/backbone.py.
NETWORKS: dict[str, Callable[[BackboneConfig], Encoder]] = {
    "vit": VisionTransformer,
    "swin": SwinTransformer,
    "convnext": ConvNeXt,
    "resnet": ResNet,
}


def build_backbone(config: BackboneConfig) -> Encoder:
    """The base that `config` asks for; its parameters are yet to be given their initial values."""
    return NETWORKS[config.kind](config)
