"""Base class of hierarchical bases in an ONNX graph: four stages, with a tap after each.

Shapes: B images of S pixels; C_i channels and h_i x h_i positions of stage i; D and h of the last.
"""

from abc import ABC, abstractmethod

from pipeline.config.backbone import BackboneConfig
from pipeline.export.onnx.graph import Graph


class OnnxStages(ABC):
    """See `pipeline.export.onnx.base`."""

    epsilon: float  # of the final norm
    has_norm = True

    def __init__(self, graph: Graph, config: BackboneConfig, size: int):
        self.graph, self.config, self.size = graph, config, size
        self.tap_dims = config.stage_dims
        self.tap_sides = tuple(size // stride for stride in config.stage_strides)

    @abstractmethod
    def stem(self, images: str) -> str:
        """images (B, 3, S, S) -> the first stage's map."""

    @abstractmethod
    def block(self, name: str, x: str, stage: int, index: int) -> str:
        """One block, preceded by the downsampling if it is the first of its stage."""

    def channels_last(self, x: str) -> str:
        """The output of a block -> (B, h, w, C)."""
        return x

    def blocks(self, images: str) -> list[str]:
        """See `OnnxBase`."""
        x, found = self.stem(images), []
        for stage, depth in enumerate(self.config.depths):
            for index in range(depth):
                x = self.block(f"blocks.{len(found)}", x, stage, index)
                found.append(x)
        return found

    def feature_map(self, last: str) -> str:
        """See `OnnxBase`."""
        return self.channels_last(last)

    def pooled(self, last: str) -> tuple[str, str]:
        """See `OnnxBase`."""
        patches = self.normed(self.channels_last(last))
        return self.graph.mean_over_positions(patches), patches

    def normed(self, x: str) -> str:
        """x (..., D) after the final norm, if there is one."""
        return self.graph.layer_norm(x, "norm", self.epsilon) if self.has_norm else x

    def taps(self, blocks: list[str], *, normed: bool) -> list[str]:
        """See `OnnxBase`."""
        found, end = [], 0
        for stage, depth in enumerate(self.config.depths):
            end += depth
            x = self.channels_last(blocks[end - 1])
            if normed and self.has_norm:
                last = stage + 1 == len(self.config.depths)
                x = self.normed(x) if last else self.graph.standardised(x, self.tap_dims[stage], self.epsilon)
            found.append(self.graph.permuted(x, 0, 3, 1, 2))
        return found

    def patch_stem(self, images: str, epsilon: float) -> str:
        """Patches as channels, a linear map and a norm: -> (B, h_0, h_0, C_0)."""
        graph, side = self.graph, self.config.patch_size
        x = graph.windows(graph.permuted(images, 0, 2, 3, 1), self.size, self.size, 3, side)
        return graph.layer_norm(graph.linear(x, "stem.patch_embed"), "stem.norm", epsilon)
