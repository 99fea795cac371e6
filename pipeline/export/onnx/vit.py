"""ViT as a part of an ONNX graph.

Shapes: B images of S pixels, p pixels per patch side, h = S / p, N = h h patches, D channels, H heads.
"""

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.export.onnx.graph import Graph
from pipeline.weights.layouts.converted import NORM_EPS
from pipeline.weights.position_grid import grid_resampling


class OnnxVit:
    """See `pipeline.export.onnx.base`; the output of blocks is tokens (B, 1 + R + N, D)."""

    def __init__(self, graph: Graph, config: BackboneConfig, size: int):
        self._graph, self._config, self._side = graph, config, size // config.patch_size
        self._num_before = 1 + (config.register_tokens or 0)
        self.tap_dims, self.tap_sides = (config.embed_dim,) * 4, (self._side,) * 4

    def blocks(self, images: str) -> list[str]:
        """See `OnnxBase`."""
        graph, dim, patch = self._graph, self._config.embed_dim, self._config.patch_size
        filters = graph.array("patch_embed.weight").reshape(dim, -1, patch, patch)
        x = graph.convolution(images, filters, graph.array("patch_embed.bias"), strides=[patch, patch])
        x = graph.permuted(graph.reshaped(x, 0, dim, self._side**2), 0, 2, 1)
        batch = graph.cut(graph.add("Shape", images), 0, 0, 1)
        shape = graph.add("Concat", batch, graph.integers(1, dim), axis=0)
        cls = graph.add("Expand", graph.constant(graph.array("cls_token")[None], "cls_token"), shape)
        x = graph.add("Concat", cls, x, axis=1)
        x = graph.add("Add", x, graph.constant(self._positions()[None], "pos_embed"))
        if self._config.register_tokens:
            patches = graph.cut(x, 1, 1, 1 + self._side**2)
            shape = graph.add("Concat", batch, graph.integers(self._config.register_tokens, dim), axis=0)
            registers = graph.constant(graph.array("register_tokens")[None], "register_tokens")
            x = graph.add(
                "Concat", graph.cut(x, 1, 0, 1), graph.add("Expand", registers, shape), patches, axis=1
            )
        found = []
        for index in range(self._config.depth):
            x = self._block(f"blocks.{index}", x)
            found.append(x)
        return found

    def feature_map(self, last: str) -> str:
        """See `OnnxBase`."""
        return self._on_grid(last)

    def pooled(self, last: str) -> tuple[str, str]:
        """See `OnnxBase`."""
        graph = self._graph
        tokens = graph.layer_norm(last, "norm", NORM_EPS)
        first = graph.constant(np.array(0, np.int64))
        return graph.add("Gather", tokens, first, axis=1), self._on_grid(tokens)

    def taps(self, blocks: list[str], *, normed: bool) -> list[str]:
        """See `OnnxBase`."""
        from pipeline.models.vit import tap_blocks  # loads Jittor, which must have been started

        graph, found = self._graph, []
        for index in tap_blocks(self._config.depth):
            x = graph.layer_norm(blocks[index], "norm", NORM_EPS) if normed else blocks[index]
            found.append(graph.permuted(self._on_grid(x), 0, 3, 1, 2))
        return found

    def _positions(self) -> np.ndarray:
        """(1 + N, D), at this image size."""
        stored = self._graph.array("pos_embed")
        resampling = grid_resampling(self._config.grid, (self._side, self._side))
        return np.concatenate([stored[:1], resampling @ stored[1:]])

    def _on_grid(self, tokens: str) -> str:
        """(B, 1 + R + N, D) -> (B, h, h, D), of the patches."""
        patches = self._graph.cut(tokens, 1, self._num_before, self._num_before + self._side**2)
        return self._graph.reshaped(patches, 0, self._side, self._side, self._config.embed_dim)

    def _block(self, name: str, x: str) -> str:
        graph, heads = self._graph, self._config.num_heads
        head_dim = self._config.embed_dim // heads
        qkv = graph.linear(graph.layer_norm(x, f"{name}.norm_attention", NORM_EPS), f"{name}.attention.qkv")
        mixed = graph.softmax_attention(graph.reshaped(qkv, 0, 0, 3, heads, head_dim), heads, head_dim)
        x = graph.add("Add", x, graph.linear(mixed, f"{name}.attention.out"))
        return graph.add(
            "Add", x, graph.mlp(graph.layer_norm(x, f"{name}.norm_mlp", NORM_EPS), f"{name}.mlp")
        )
