"""A fine-tuned detector as an ONNX graph, for one image at a time.

Shapes: L pixels per side of the padded image, N anchors, n proposals, k detections, K classes, C channels of
the pyramid.
"""

import numpy as np

from pipeline.config.dense import DetectHeadConfig
from pipeline.detection.anchors import grid_anchors
from pipeline.detection.sizes import (
    BOX_BINS,
    MASK_BINS,
    MASK_SIZE,
    NUM_ROI_LEVELS,
    RPN_NMS_IOU,
    RPN_OUTPUTS,
    RPN_STDS,
    STAGES,
)
from pipeline.export.model_description import TunedModel
from pipeline.export.onnx import onnx_base
from pipeline.export.onnx.boxes import clipped, decoded, non_maximum_suppression, ranks, solid
from pipeline.export.onnx.graph import Graph
from pipeline.export.onnx.pyramid import Map, conv_norm, doubled, pyramid
from pipeline.export.onnx.rois import pooled

_FLOAT, _INT64 = 1, 7


def add_detector(graph: Graph, model: TunedModel) -> dict[str, tuple[str, tuple, int]]:
    """Add the network, with the inputs "images" (1, 3, L, L) and "size" (2,): height and width unpadded.

    Returns:
        Output name -> value, shape, ONNX's number of its type: boxes (k, 4) in pixels of the padded image,
            scores (k,), classes (k,), by descending score; if the network has masks, masks (k, 28, 28),
            probabilities in each box.
    """
    return _Detector(graph, model).outputs()


class _Detector:
    def __init__(self, graph: Graph, model: TunedModel):
        self._graph, self._model = graph, model
        self._heads: DetectHeadConfig = model.config.heads
        self._num_classes = len(model.class_names)
        high, wide = (graph.cut("size", 0, first, first + 1) for first in (0, 1))
        self._corners = graph.add("Concat", wide, high, wide, high, axis=0)  # (4,)

    def outputs(self) -> dict[str, tuple[str, tuple, int]]:
        """See `add_detector`."""
        graph, width = self._graph, self._heads.width
        levels, strides = self._levels()
        maps = [x for x, _ in levels[:NUM_ROI_LEVELS]], strides[:NUM_ROI_LEVELS]
        boxes, scores, classes = self._found(maps, self._proposals(levels, strides))
        outputs = {
            "boxes": (boxes, ("detections", 4), _FLOAT),
            "scores": (scores, ("detections",), _FLOAT),
            "classes": (classes, ("detections",), _INT64),
        }
        num_masks = self._count("heads.masks.{}.predict.weight")
        if num_masks:
            features = pooled(graph, *maps, boxes, MASK_BINS, self._heads.finest_scale, width)
            each = [self._masks(f"heads.masks.{index}", features, classes) for index in range(num_masks)]
            total = graph.add("Sum", *each)
            masks = graph.add("Div", total, graph.number(num_masks))
            outputs["masks"] = (masks, ("detections", MASK_SIZE, MASK_SIZE), _FLOAT)
        return outputs

    def _levels(self) -> tuple[list[Map], list[float]]:
        """Levels of the feature pyramid, fine to coarse, and their strides in pixels."""
        graph, size = self._graph, self._model.size
        base = onnx_base(graph.part("backbone.network"), self._model.architecture, size)
        taps = base.taps(base.blocks("images"), normed=self._heads.tap_norm)
        maps = list(zip(taps, base.tap_sides, strict=True))
        if len(set(base.tap_sides)) == 1:
            maps = pyramid(graph.part("heads.pyramid"), base, maps)
        fpn = graph.part("heads.fpn")
        sums = [(_pointwise(fpn, f"lateral.{index}", x), side) for index, (x, side) in enumerate(maps)]
        for finer in reversed(range(len(sums) - 1)):
            x, side = sums[finer]
            sums[finer] = graph.add("Add", x, self._doubled(*sums[finer + 1], side)), side
        levels = [(_smoothed(fpn, f"smooth.{index}", x), side) for index, (x, side) in enumerate(sums)]
        strides = [size / side for _, side in levels]
        while len(levels) < self._heads.num_levels:
            x, side = levels[-1]
            x = graph.cut(graph.cut(x, 2, 0, side, 2), 3, 0, side, 2)
            levels.append((x, -(-side // 2)))
            strides.append(2 * strides[-1])
        return levels, strides

    def _doubled(self, x: str, side: int, new: int) -> str:
        """Nearest neighbours, cut to `new` x `new`."""
        graph = self._graph
        scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
        modes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        x = graph.add("Resize", x, "", scales, **modes)
        return x if 2 * side == new else graph.cut(graph.cut(x, 2, 0, new), 3, 0, new)

    def _proposals(self, levels: list[Map], strides: list[float]) -> str:
        """(n, 4), the best of all levels after suppression in each level."""
        graph, heads, rpn = self._graph, self._heads, self._graph.part("heads.rpn")
        scores, boxes, members = [], [], []
        for index, ((x, side), stride) in enumerate(zip(levels, strides, strict=True)):
            x = graph.add("Relu", _smoothed(rpn, "conv", x))
            found = graph.reshaped(rpn.linear(graph.permuted(x, 0, 2, 3, 1), "predict"), -1, RPN_OUTPUTS)
            anchors = grid_anchors((side, side), stride, heads.anchor_scale, heads.anchor_ratios)
            count = min(heads.num_test_proposals_per_level, len(anchors))
            logits = graph.reshaped(graph.cut(found, 1, 0, 1), -1)
            best, rows = graph.several("TopK", logits, graph.integers(count), outputs=2, axis=0)
            deltas = graph.add("Gather", graph.cut(found, 1, 1, RPN_OUTPUTS), rows, axis=0)
            chosen = graph.add("Gather", graph.constant(anchors), rows, axis=0)
            boxes.append(clipped(graph, decoded(graph, deltas, chosen, RPN_STDS), self._corners))
            scores.append(best)
            members += [index] * count
        all_boxes = graph.add("Concat", *boxes, axis=0)
        ranked = ranks(graph, graph.add("Concat", *scores, axis=0), solid(graph, all_boxes))
        # One group per level, in which other levels' boxes are excluded.
        of_level = np.array(members)[None] == np.arange(len(levels))[:, None]
        grouped = graph.add("Where", graph.constant(of_level), ranked, graph.number(-1))
        shape = graph.integers(len(levels), len(members), 4)
        spread = graph.add("Expand", graph.reshaped(all_boxes, 1, -1, 4), shape)
        _, kept = non_maximum_suppression(graph, spread, grouped, RPN_NMS_IOU, heads.num_test_proposals)
        return graph.add("Gather", all_boxes, kept, axis=0)

    def _found(self, maps: tuple[list[str], list[float]], proposals: str) -> tuple[str, str, str]:
        """Boxes (k, 4), scores (k,) and classes (k,)."""
        graph, heads, boxes, all_scores = self._graph, self._heads, proposals, []
        for stage in range(heads.stages):
            features = pooled(graph, *maps, boxes, BOX_BINS, heads.finest_scale, heads.width)
            logits, deltas = self._box_head(f"heads.boxes.{stage}", features)
            all_scores.append(graph.add("Softmax", logits, axis=1))
            if stage + 1 < heads.stages:
                likeliest = graph.add("ArgMax", graph.cut(logits, 1, 0, self._num_classes), axis=1)
                if heads.class_agnostic:
                    likeliest = graph.add("Mul", likeliest, graph.constant(np.array(0, np.int64)))
                of_class = graph.add("GatherND", deltas, likeliest, batch_dims=1)  # (n, 4)
                boxes = clipped(graph, decoded(graph, of_class, boxes, STAGES[stage].stds), self._corners)
        total = graph.add("Sum", *all_scores)
        mean = graph.add("Div", total, graph.number(heads.stages))
        return self._best(graph.cut(mean, 1, 0, self._num_classes), deltas, boxes)

    def _box_head(self, name: str, x: str) -> tuple[str, str]:
        """x (n, C, 7, 7) -> logits (n, K + 1), deltas (n, K or 1, 4)."""
        graph, part = self._graph, self._graph.part(name)
        for index in range(self._heads.box_convs):
            x = conv_norm(part, f"convs.{index}", x)
        x = graph.reshaped(x, 0, self._heads.width * BOX_BINS**2)
        for index in range(self._heads.box_fcs):
            x = graph.add("Relu", part.linear(x, f"hidden.{index}"))
        num_boxes = 1 if self._heads.class_agnostic else self._num_classes
        deltas = graph.reshaped(part.linear(x, "predict_deltas"), 0, num_boxes, 4)
        return part.linear(x, "predict_classes"), deltas

    def _best(self, scores: str, deltas: str, boxes: str) -> tuple[str, str, str]:
        """The detections of scores (n, K), after suppression in each class."""
        graph, heads, classes = self._graph, self._heads, self._num_classes
        num = graph.cut(graph.add("Shape", boxes), 0, 0, 1)
        shape = graph.add("Concat", num, graph.integers(classes, 4), axis=0)  # (n, K, 4)
        spread = graph.add("Expand", graph.reshaped(boxes, -1, 1, 4), shape)
        flat = graph.reshaped(graph.add("Expand", deltas, shape), -1, 4)
        moved = decoded(graph, flat, graph.reshaped(spread, -1, 4), STAGES[heads.stages - 1].stds)
        moved = clipped(graph, moved, self._corners)
        of_pairs = graph.reshaped(scores, -1)  # row by row of boxes, class by class
        high = graph.add("Greater", of_pairs, graph.number(heads.score_threshold))
        ranked = ranks(graph, of_pairs, graph.add("And", high, solid(graph, moved)))
        grouped = graph.permuted(graph.reshaped(ranked, -1, classes), 1, 0)
        by_class = graph.permuted(graph.add("Reshape", moved, shape), 1, 0, 2)
        found, rows = non_maximum_suppression(graph, by_class, grouped, heads.nms_iou, heads.max_detections)
        width = graph.constant(np.array(classes, np.int64))
        pairs = graph.add("Add", graph.add("Mul", rows, width), found)
        return graph.add("Gather", moved, pairs, axis=0), graph.add("Gather", of_pairs, pairs), found

    def _masks(self, name: str, x: str, classes: str) -> str:
        """x (k, C, 14, 14) -> probabilities (k, 28, 28) of the classes (k,)."""
        graph, part, width = self._graph, self._graph.part(name), self._heads.width
        for index in range(self._heads.mask_convs):
            x = graph.add("Relu", _smoothed(part, f"convs.{index}", x))
        x = graph.add("Relu", doubled(part, "enlarge", x, MASK_BINS, width))
        weight = graph.add("Gather", graph.constant(part.array("predict.weight")), classes, axis=0)
        bias = graph.add("Gather", graph.constant(part.array("predict.bias")), classes, axis=0)
        side = MASK_SIZE
        product = graph.add(
            "MatMul", graph.reshaped(weight, -1, 1, width), graph.reshaped(x, 0, width, side**2)
        )
        logits = graph.add("Add", product, graph.reshaped(bias, -1, 1, 1))
        return graph.reshaped(graph.add("Sigmoid", logits), -1, side, side)

    def _count(self, pattern: str) -> int:
        count = 0
        while self._graph.has(pattern.format(count)):
            count += 1
        return count


def _pointwise(graph: Graph, name: str, x: str) -> str:
    """A linear layer at every position: (1, D, h, h) -> (1, C, h, h)."""
    weight = graph.array(f"{name}.weight")[:, :, None, None]
    return graph.convolution(x, weight, graph.array(f"{name}.bias"))


def _smoothed(graph: Graph, name: str, x: str) -> str:
    """A 3 x 3 convolution that keeps the size."""
    filters = graph.array(f"{name}.weight")
    return graph.convolution(x, filters, graph.array(f"{name}.bias"), pads=[1] * 4)
