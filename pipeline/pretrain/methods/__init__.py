"""Methods of self-supervised learning: one file each. Their numbers are in pipeline/config/methods.py."""

from pipeline.config.stages import PretrainConfig
from pipeline.pretrain.methods.ibot import Ibot
from pipeline.pretrain.methods.method import Memory, Method, Networks

METHODS: dict[str, type[Method]] = {
    "ibot": Ibot,
}

__all__ = ["METHODS", "Memory", "Method", "Networks", "method_of"]


def method_of(config: PretrainConfig) -> Method:
    """The method that a configuration asks for."""
    return METHODS[config.method.name](config)
