"""Bases, one file per kind; their interface is `pipeline.models.encoder.Encoder`."""

from collections.abc import Callable

from pipeline.config.backbone import BackboneConfig
from pipeline.models.backbones.convnext import ConvNeXt
from pipeline.models.backbones.resnet import ResNet
from pipeline.models.backbones.swin import SwinTransformer
from pipeline.models.encoder import Encoder
from pipeline.models.vit import VisionTransformer

# The kinds and their settings: BASES in pipeline/config/backbone.py.
NETWORKS: dict[str, Callable[[BackboneConfig], Encoder]] = {
    "vit": VisionTransformer,
    "swin": SwinTransformer,
    "convnext": ConvNeXt,
    "resnet": ResNet,
}


def build_backbone(config: BackboneConfig) -> Encoder:
    """The base of `config`; its parameters do not have their initial values yet."""
    return NETWORKS[config.kind](config)
