"""Boxes in an ONNX graph: decoding of deltas, and non-maximum suppression.

Shapes: n boxes x1, y1, x2, y2 in pixels, K classes.

TopK defines the order of equal numbers (lower index first), NonMaxSuppression does not. So boxes are ranked
by TopK, and suppressed by their ranks, no two of which are equal.
"""

import numpy as np

from pipeline.detection.boxes import MAX_LOG_SCALE
from pipeline.export.onnx.graph import Graph

_NONE = -1.0  # rank of excluded boxes; the others have ranks from 1


def decoded(graph: Graph, deltas: str, boxes: str, stds: tuple[float, ...]) -> str:
    """Apply deltas (n, 4) to boxes (n, 4); as `pipeline.detection.boxes.decode`."""
    low, high = (graph.cut(boxes, 1, first, first + 2) for first in (0, 2))
    sides = graph.add("Sub", high, low)
    half = graph.number(0.5)
    centers = graph.add("Add", low, graph.add("Mul", sides, half))
    scaled = graph.add("Mul", deltas, graph.constant(np.array(stds, np.float32)))
    shifts, logs = (graph.cut(scaled, 1, first, first + 2) for first in (0, 2))
    centers = graph.add("Add", centers, graph.add("Mul", shifts, sides))
    logs = graph.add("Clip", logs, graph.number(-MAX_LOG_SCALE), graph.number(MAX_LOG_SCALE))
    halves = graph.add("Mul", graph.add("Mul", sides, graph.add("Exp", logs)), half)
    corners = graph.add("Sub", centers, halves), graph.add("Add", centers, halves)
    return graph.add("Concat", *corners, axis=1)


def clipped(graph: Graph, boxes: str, corners: str) -> str:
    """Boxes (n, 4) clipped to the image; `corners` (4,) is its width, height, width, height."""
    return graph.add("Min", graph.add("Max", boxes, graph.number(0)), corners)


def solid(graph: Graph, boxes: str) -> str:
    """Whether each box (n, 4) has an area: (n,) bool."""
    low, high = (graph.cut(boxes, 1, first, first + 2) for first in (0, 2))
    wider = graph.add("Cast", graph.add("Greater", high, low), to=1)
    return graph.add("Greater", graph.add("ReduceMin", wider, axes=[1], keepdims=0), graph.number(0))


def ranks(graph: Graph, scores: str, takes_part: str) -> str:
    """(n,) float32: higher for higher scores and, in a tie, lower indices; -1 for excluded boxes."""
    size = graph.add("Shape", scores)
    _, order = graph.several("TopK", scores, size, outputs=2, axis=0)
    descending = graph.add(
        "Range", graph.scalar(size), graph.constant(np.array(0, np.int64)), graph.constant(np.array(-1))
    )
    found = graph.add("ScatterElements", order, order, descending, axis=0)
    return graph.add("Where", takes_part, graph.add("Cast", found, to=1), graph.number(_NONE))


def non_maximum_suppression(graph: Graph, boxes: str, ranked: str, iou: float, most: int) -> tuple[str, str]:
    """The boxes that remain if each removes those of lower rank in its group that overlap it too much.

    Args:
        boxes: (groups, n, 4).
        ranked: (groups, n), ranks; equal only for excluded boxes.
        most: number of boxes that may remain in all.

    Returns:
        Group and index of each remaining box, (k,) int64 each, by descending rank, k <= most.
    """
    scores = graph.add("Unsqueeze", ranked, graph.integers(1))
    limits = graph.integers(most), graph.constant(np.array([iou], np.float32))
    chosen = graph.add("NonMaxSuppression", boxes, scores, *limits, graph.constant(np.zeros(1, np.float32)))
    pairs = [graph.cut(chosen, 1, 0, 1), graph.cut(chosen, 1, 2, 3)]
    of_chosen = graph.add("GatherND", ranked, graph.add("Concat", *pairs, axis=1))
    count = graph.add("Min", graph.add("Shape", of_chosen), graph.integers(most))
    _, order = graph.several("TopK", of_chosen, count, outputs=2, axis=0)
    group, box = (graph.add("Gather", graph.reshaped(pair, -1), order) for pair in pairs)
    return group, box
