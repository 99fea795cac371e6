"""Fine-tuned classifiers and segmenters as ONNX graphs.

Shapes: B images of S x S pixels, K classes; C channels of a map, h x h its positions.
"""

from pipeline.export.model_description import TunedModel
from pipeline.export.onnx import onnx_base
from pipeline.export.onnx.graph import Graph
from pipeline.export.onnx.pyramid import Map, conv_norm, plain_conv, pyramid
from pipeline.models.resize import pool_matrix, resize_matrix
from pipeline.weights.layouts.converted import NORM_EPS

_POOL_SIZES = (1, 2, 3, 6)


def add_classifier(graph: Graph, model: TunedModel) -> str:
    """Add the network; return its logits (B, K)."""
    base = onnx_base(graph.part("backbone.network"), model.architecture, model.size)
    last = base.blocks("images")[-1]
    if model.config.pooling == "cls":
        pooled, _ = base.pooled(last)
    else:
        pooled = graph.layer_norm(graph.mean_over_positions(base.feature_map(last)), "pool_norm", NORM_EPS)
    return graph.linear(pooled, "predict_classes")


def add_segmenter(graph: Graph, model: TunedModel) -> str:
    """Add the network for S x S pixels; return its logits (B, K, S, S)."""
    padded = -(-model.size // model.multiple) * model.multiple
    images = "images"
    if missing := padded - model.size:
        images = graph.add("Pad", images, graph.integers(0, 0, 0, 0, 0, 0, missing, missing))
    base = onnx_base(graph.part("backbone.network"), model.architecture, padded)
    taps = base.taps(base.blocks(images), normed=model.config.heads.tap_norm)
    maps = list(zip(taps, base.tap_sides, strict=True))
    head = graph.part("head")
    if model.config.head == "linear":
        logits = plain_conv(head, "predict", _stacked(head, maps))
    else:
        if len(set(base.tap_sides)) == 1:
            maps = pyramid(graph.part("pyramid"), base, maps)
        logits = _uper(head, maps)
    logits = _resized(graph, logits, maps[0][1], padded)
    if padded == model.size:
        return logits
    return graph.cut(graph.cut(logits, 2, 0, model.size), 3, 0, model.size)


def _uper(head: Graph, maps: list[Map]) -> str:
    """UPerNet: (B, K, h_0, h_0)."""
    coarsest, side = maps[-1]
    beside = [(coarsest, side)]
    for number, size in enumerate(_POOL_SIZES):
        pooled = _along_both(head, coarsest, pool_matrix(side, size))
        beside.append((conv_norm(head, f"pooling.reduce.{number}", pooled), size))
    merged = [(conv_norm(head, "pooling.fuse", _stacked(head, beside)), side)]
    for level in range(len(maps) - 2, -1, -1):
        finer, side = maps[level]
        coarser = _resized(head, *merged[0], side)
        merged.insert(0, (head.add("Add", conv_norm(head, f"laterals.{level}", finer), coarser), side))
    smooth = [(conv_norm(head, f"smooths.{i}", x), side) for i, (x, side) in enumerate(merged[:-1])]
    fused = conv_norm(head, "fuse", _stacked(head, [*smooth, merged[-1]]))
    return plain_conv(head, "predict", fused)


def _stacked(graph: Graph, maps: list[Map]) -> str:
    """Channels of all maps at the positions of the first."""
    resized = [_resized(graph, x, side, maps[0][1]) for x, side in maps]
    return graph.add("Concat", *resized, axis=1)


def _resized(graph: Graph, x: str, side: int, new: int) -> str:
    return x if side == new else _along_both(graph, x, resize_matrix(side, new))


def _along_both(graph: Graph, x: str, matrix) -> str:
    """(B, C, h, h) times a matrix (new, h) along rows and columns."""
    across = graph.add("MatMul", x, graph.constant(matrix.T))
    return graph.add("MatMul", graph.constant(matrix), across)
