"""Methods of self-supervised learning: one file each. Their numbers are in pipeline/config/methods.py."""

from pipeline.config.stages import PretrainConfig
from pipeline.pretrain.methods.byol import Byol
from pipeline.pretrain.methods.ibot import Ibot
from pipeline.pretrain.methods.mae import Mae
from pipeline.pretrain.methods.method import Method, MethodState, Networks
from pipeline.pretrain.methods.moco_v3 import MocoV3
from pipeline.pretrain.methods.simclr import Simclr

METHODS: dict[str, type[Method]] = {
    "ibot": Ibot,
    "mocov3": MocoV3,
    "simclr": Simclr,
    "byol": Byol,
    "mae": Mae,
}

__all__ = ["METHODS", "Method", "MethodState", "Networks", "method_of"]


def method_of(config: PretrainConfig) -> Method:
    """The method that a configuration asks for."""
    return METHODS[config.method.name](config)
