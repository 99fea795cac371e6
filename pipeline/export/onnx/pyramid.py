"""The pyramid of a plain base's maps, and convolutions of the dense heads, in an ONNX graph.

Shapes: B images, C channels of a map, h x h its positions.
"""

from pipeline.export.onnx.base import OnnxBase
from pipeline.export.onnx.graph import Graph

Map = tuple[str, int]  # a map (B, C, h, h), and h
_BATCH_NORM_EPSILON = 1e-5


def pyramid(graph: Graph, base: OnnxBase, maps: list[Map]) -> list[Map]:
    """Maps of one size -> finest first; each level has one doubling fewer than the previous one."""
    first = sum(graph.has(f"enlarge.0.{index}.deconv.weight") for index in range(8))
    levels = []
    for level, (x, side) in enumerate(maps):
        for index in range(max(0, first - level)):
            name = f"enlarge.{level}.{index}"
            if index:
                x = graph.gelu(batch_norm(graph, f"{name}.norm", x))
            x, side = doubled(graph, f"{name}.deconv", x, side, base.tap_dims[level]), 2 * side
        for _ in range(max(0, level - first)):
            # An odd last row is pooled alone.
            x = graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
            side = -(-side // 2)
        levels.append((x, side))
    return levels


def doubled(graph: Graph, name: str, x: str, side: int, dim: int) -> str:
    """(B, C, h, h) -> (B, C, 2 h, 2 h), by a linear map of each position to 2 x 2."""
    weight = graph.constant(graph.array(f"{name}.weight").T, f"{name}.weight")
    x = graph.add("MatMul", graph.permuted(x, 0, 2, 3, 1), weight)
    x = graph.permuted(graph.reshaped(x, 0, side, side, 2, 2, dim), 0, 5, 1, 3, 2, 4)
    bias = graph.constant(graph.array(f"{name}.bias").reshape(-1, 1, 1), f"{name}.bias")
    return graph.add("Add", graph.reshaped(x, 0, dim, 2 * side, 2 * side), bias)


def conv_norm(graph: Graph, name: str, x: str) -> str:
    filters = graph.array(f"{name}.conv.weight")
    x = graph.convolution(x, filters, pads=[filters.shape[2] // 2] * 4)
    return graph.add("Relu", batch_norm(graph, f"{name}.norm", x))


def plain_conv(graph: Graph, name: str, x: str) -> str:
    return graph.convolution(x, graph.array(f"{name}.weight"), graph.array(f"{name}.bias"))


def batch_norm(graph: Graph, name: str, x: str) -> str:
    parts = ("weight", "bias", "running_mean", "running_var")
    stored = [graph.constant(graph.array(f"{name}.{part}"), f"{name}.{part}") for part in parts]
    return graph.add("BatchNormalization", x, *stored, epsilon=_BATCH_NORM_EPSILON)
