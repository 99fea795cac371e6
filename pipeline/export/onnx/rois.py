"""Pools features of boxes in an ONNX graph, from the pyramid level for each box's size.

Shapes: n boxes of one image, C channels, s bins per side; maps are (1, C, h, h).
"""

import numpy as np

from pipeline.export.onnx.graph import Graph

_SAMPLES = 2  # per bin and side
_DOUBLE = 11  # ONNX's number of float64


def pooled(
    graph: Graph, maps: list[str], strides: list[float], boxes: str, bins: int, finest_scale: float, dim: int
) -> str:
    """(n, C, s, s), as `pipeline.detection.roi_align.RoiAlign`; n may be 0."""
    level = _levels(graph, boxes, finest_scale, len(maps))
    num = graph.add("Shape", boxes)
    shape = graph.add("Concat", graph.cut(num, 0, 0, 1), graph.integers(dim, bins, bins), axis=0)
    found = graph.add("Expand", graph.number(0), shape)
    for index, (feature_map, stride) in enumerate(zip(maps, strides, strict=True)):
        here = graph.add("Equal", level, graph.constant(np.array(index, np.int64)))
        rows = graph.permuted(graph.add("NonZero", here), 1, 0)  # (m, 1)
        flat = graph.reshaped(rows, -1)
        images = graph.add("Mul", flat, graph.constant(np.array(0, np.int64)))
        features = graph.add(
            "RoiAlign",
            feature_map,
            graph.add("Gather", boxes, flat, axis=0),
            images,
            output_height=bins,
            output_width=bins,
            sampling_ratio=_SAMPLES,
            spatial_scale=1 / stride,
            coordinate_transformation_mode="half_pixel",
        )
        found = graph.add("ScatterND", found, rows, features)
    return found


def _levels(graph: Graph, boxes: str, finest_scale: float, num_levels: int) -> str:
    """(n,) int64; areas are compared in float64, as `roi_levels` does."""
    corners = graph.add("Cast", boxes, to=_DOUBLE)
    low, high = (graph.cut(corners, 1, first, first + 2) for first in (0, 2))
    sides = graph.add("Max", graph.add("Sub", high, low), graph.constant(np.array(0, np.float64)))
    area = graph.add("ReduceProd", sides, axes=[1], keepdims=1)  # (n, 1)
    limits = (finest_scale * 2.0 ** np.arange(1, num_levels)) ** 2
    reached = graph.add("GreaterOrEqual", area, graph.constant(limits[None]))
    return graph.add("ReduceSum", graph.add("Cast", reached, to=7), graph.integers(1), keepdims=0)
