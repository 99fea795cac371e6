"""Networks as ONNX graphs, written operator by operator without PyTorch: one file for each kind of base.

Adding a kind: a file here with a class as `OnnxBase` describes it, and a line in `BASES`.
"""

from collections.abc import Callable

from pipeline.config.backbone import BackboneConfig
from pipeline.export.onnx.base import OnnxBase
from pipeline.export.onnx.convnext import OnnxConvNext
from pipeline.export.onnx.graph import Graph
from pipeline.export.onnx.resnet import OnnxResNet
from pipeline.export.onnx.swin import OnnxSwin
from pipeline.export.onnx.vit import OnnxVit

# The kind of base -> what writes it.
BASES: dict[str, Callable[[Graph, BackboneConfig, int], OnnxBase]] = {
    "vit": OnnxVit,
    "swin": OnnxSwin,
    "convnext": OnnxConvNext,
    "resnet": OnnxResNet,
}


def onnx_base(graph: Graph, config: BackboneConfig, size: int) -> OnnxBase:
    """What adds a base for images of size x size pixels to a graph that has its arrays."""
    return BASES[config.kind](graph, config, size)
