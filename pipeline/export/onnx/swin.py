"""Swin as a part of an ONNX graph.

Shapes: a map (B, h, w, C) is cut into W windows of m positions; H heads of d channels.
"""

import numpy as np

from pipeline.export.onnx.stages import OnnxStages
from pipeline.models.auxiliary_heads.windows import Windows, windows

_BLOCKED = -1e9  # added to a score, as `WindowAttention` does
_EPSILON = 1e-5


class OnnxSwin(OnnxStages):
    """See `pipeline.export.onnx.base`; the output of blocks is a map (B, h, w, C)."""

    epsilon = _EPSILON

    def stem(self, images: str) -> str:
        """See `OnnxStages`."""
        return self.patch_stem(images, _EPSILON)

    def block(self, name: str, x: str, stage: int, index: int) -> str:
        """See `OnnxStages`."""
        graph = self.graph
        if stage > 0 and index == 0:
            before = self.tap_sides[stage - 1]
            x = graph.windows(x, before, before, self.tap_dims[stage - 1], 2)
            x = graph.layer_norm(x, f"{name}.entrance.norm", _EPSILON)
            x = graph.linear(x, f"{name}.entrance", bias=False)
        branch = graph.layer_norm(x, f"{name}.norm_attention", _EPSILON)
        x = graph.add("Add", x, self._attention(f"{name}.attention", branch, stage, index))
        branch = graph.layer_norm(x, f"{name}.norm_mlp", _EPSILON)
        return graph.add("Add", x, graph.mlp(branch, f"{name}.mlp"))

    def _attention(self, name: str, x: str, stage: int, index: int) -> str:
        graph, dim, side = self.graph, self.tap_dims[stage], self.tap_sides[stage]
        heads = self.config.num_heads * 2**stage
        size = min(self.config.window_size, self.config.image_size // self.config.stage_strides[stage])
        parts = windows((side, side), size, size // 2 if index % 2 else 0)
        num_windows, window_area = parts.patches.shape
        qkv = graph.reshaped(graph.linear(x, f"{name}.qkv"), 0, side * side, 3 * dim)
        qkv = graph.add("Gather", qkv, graph.constant(parts.patches.ravel().astype(np.int64)), axis=1)
        qkv = graph.reshaped(qkv, -1, window_area, 3, heads, dim // heads)  # (B W, m, ...)
        bias = graph.constant(self._bias(graph.array(f"{name}.relative_position_bias"), parts, size))
        mixed = self._in_windows(qkv, heads, dim // heads, bias, num_windows, window_area)
        mixed = graph.reshaped(mixed, -1, num_windows * window_area, dim)
        mixed = graph.add("Gather", mixed, graph.constant(parts.slots.astype(np.int64)), axis=1)
        return graph.linear(graph.reshaped(mixed, 0, side, side, dim), f"{name}.out")

    def _in_windows(
        self, qkv: str, heads: int, head_dim: int, bias: str, num_windows: int, window_area: int
    ) -> str:
        """(B W, m, 3, H, d) -> (B W, m, H d); the bias (W, H, m, m) is that of each window."""
        graph = self.graph
        query, key, value = (
            graph.add("Gather", qkv, graph.constant(np.array(part, np.int64)), axis=2) for part in range(3)
        )
        scores = graph.add("MatMul", graph.permuted(query, 0, 2, 1, 3), graph.permuted(key, 0, 2, 3, 1))
        scores = graph.add("Mul", scores, graph.number(head_dim**-0.5))
        scores = graph.reshaped(scores, -1, num_windows, heads, window_area, window_area)
        weights = graph.add("Softmax", graph.add("Add", scores, bias), axis=-1)
        weights = graph.reshaped(weights, -1, heads, window_area, window_area)
        mixed = graph.add("MatMul", weights, graph.permuted(value, 0, 2, 1, 3))
        return graph.reshaped(graph.permuted(mixed, 0, 2, 1, 3), 0, window_area, heads * head_dim)

    @staticmethod
    def _bias(table: np.ndarray, parts: Windows, size: int) -> np.ndarray:
        """The bias of the scores: (W, H, m, m) float32."""
        relative = (parts.rows + size - 1) * (2 * size - 1) + parts.columns + size - 1
        blocked = np.where(parts.allowed, 0, _BLOCKED)[:, None]
        return (table[relative].transpose(2, 0, 1)[None] + blocked).astype(np.float32)
