"""ConvNeXt as a part of an ONNX graph."""

from pipeline.export.onnx.stages import OnnxStages
from pipeline.weights.layouts.converted import NORM_EPS


class OnnxConvNext(OnnxStages):
    """See `pipeline.export.onnx.base`; the output of blocks is a map (B, h, w, C)."""

    epsilon = NORM_EPS

    def stem(self, images: str) -> str:
        """See `OnnxStages`."""
        return self.patch_stem(images, self.epsilon)

    def block(self, name: str, x: str, stage: int, index: int) -> str:
        """See `OnnxStages`."""
        graph, dim = self.graph, self.tap_dims[stage]
        if stage > 0 and index == 0:
            before = self.tap_sides[stage - 1]
            x = graph.layer_norm(x, f"{name}.entrance.norm", self.epsilon)
            x = graph.windows(x, before, before, self.tap_dims[stage - 1], 2)
            x = graph.linear(x, f"{name}.entrance.reduce")
        filters = graph.array(f"{name}.conv.weight").transpose(2, 0, 1)[:, None]  # (C, 1, k, k)
        pads = [filters.shape[2] // 2] * 4
        branch = graph.convolution(
            graph.permuted(x, 0, 3, 1, 2), filters, graph.array(f"{name}.conv.bias"), group=dim, pads=pads
        )
        branch = graph.layer_norm(graph.permuted(branch, 0, 2, 3, 1), f"{name}.norm", self.epsilon)
        scale = graph.constant(graph.array(f"{name}.layer_scale"), f"{name}.layer_scale")
        return graph.add("Add", x, graph.add("Mul", graph.mlp(branch, f"{name}.mlp"), scale))

    def pooled(self, last: str) -> tuple[str, str]:
        """See `OnnxBase`: the map is pooled first and normed after."""
        return self.normed(self.graph.mean_over_positions(last)), self.normed(last)
