"""Auxiliary heads: one file for each kind of block."""

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.models.auxiliary_heads.base import AuxiliaryHead, BlockClass, FeatureMap
from pipeline.models.auxiliary_heads.convnext import ConvNeXtBlock
from pipeline.models.auxiliary_heads.mixer import MixerBlock
from pipeline.models.auxiliary_heads.poolformer import PoolFormerBlock
from pipeline.models.auxiliary_heads.resmlp import ResMlpBlock
from pipeline.models.auxiliary_heads.resnet import BottleneckBlock
from pipeline.models.auxiliary_heads.separable import SeparableBlock
from pipeline.models.auxiliary_heads.swin import SwinBlock
from pipeline.models.auxiliary_heads.vit import VitBlock

# The kinds and their numbers for a user: AUXILIARY_HEADS in pipeline/config/models.py.
BLOCKS: dict[str, BlockClass] = {
    "convnext": ConvNeXtBlock,
    "mixer": MixerBlock,
    "poolformer": PoolFormerBlock,
    "resmlp": ResMlpBlock,
    "resnet": BottleneckBlock,
    "separable": SeparableBlock,
    "swin": SwinBlock,
    "vit": VitBlock,
}


def auxiliary_head(config: AuxiliaryHeadConfig, feature_map: FeatureMap) -> AuxiliaryHead:
    """The head that `config` asks for, at the width and on the grid of `feature_map`."""
    return AuxiliaryHead(BLOCKS[config.kind], config, feature_map)
