"""Writes networks as ONNX graphs, operator by operator without PyTorch; one file per kind of base.

To add a kind: a file here with a class with the interface of `OnnxBase`, and a line in `BASES`.
"""

from collections.abc import Callable

from pipeline.config.backbone import BackboneConfig
from pipeline.export.onnx.base import OnnxBase
from pipeline.export.onnx.convnext import OnnxConvNext
from pipeline.export.onnx.graph import Graph
from pipeline.export.onnx.resnet import OnnxResNet
from pipeline.export.onnx.swin import OnnxSwin
from pipeline.export.onnx.vit import OnnxVit

# Kind of base -> its class.
BASES: dict[str, Callable[[Graph, BackboneConfig, int], OnnxBase]] = {
    "vit": OnnxVit,
    "swin": OnnxSwin,
    "convnext": OnnxConvNext,
    "resnet": OnnxResNet,
}


def onnx_base(graph: Graph, config: BackboneConfig, size: int) -> OnnxBase:
    """An object that adds a base for images of size x size pixels to a graph with its arrays."""
    return BASES[config.kind](graph, config, size)
