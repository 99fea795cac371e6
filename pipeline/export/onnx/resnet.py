"""ResNet as a part of an ONNX graph.

Shapes: maps are (B, C, h, w).
"""

import numpy as np

from pipeline.export.onnx.stages import OnnxStages

_EPSILON = 1e-5


class OnnxResNet(OnnxStages):
    """See `pipeline.export.onnx.base`; the output of blocks is a map (B, C, h, w); there is no final norm."""

    has_norm = False

    def stem(self, images: str) -> str:
        """See `OnnxStages`."""
        graph, patch = self.graph, self.config.patch_size
        x = self._conv(images, "stem", 1 if patch == 1 else 2)
        x = graph.add("Relu", self._norm(x, "norm_stem"))
        if patch == 4:
            x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        return x

    def block(self, name: str, x: str, stage: int, index: int) -> str:
        """See `OnnxStages`."""
        graph, stride = self.graph, 2 if stage > 0 and index == 0 else 1
        branch = x
        for number, step in enumerate((1, stride, 1) if self.config.bottleneck else (stride, 1)):
            branch = graph.add("Relu", branch) if number else branch
            branch = self._conv(branch, f"{name}.convs.{number}", step)
            branch = self._norm(branch, f"{name}.norms.{number}")
        if graph.has(f"{name}.shortcut.filters"):
            x = self._norm(self._conv(x, f"{name}.shortcut", stride), f"{name}.norm_shortcut")
        return graph.add("Relu", graph.add("Add", x, branch))

    def channels_last(self, x: str) -> str:
        """See `OnnxStages`."""
        return self.graph.permuted(x, 0, 2, 3, 1)

    def _conv(self, x: str, name: str, stride: int) -> str:
        filters = self.graph.array(f"{name}.filters")
        pads = [filters.shape[2] // 2] * 4
        return self.graph.convolution(x, filters, strides=[stride, stride], pads=pads)

    def _norm(self, x: str, name: str) -> str:
        """Groups as rows of an instance norm, because GroupNormalization came with a later opset."""
        from pipeline.models.auxiliary_heads.group_norm import groups_of  # loads Jittor, as in `OnnxVit`

        graph, weight = self.graph, self.graph.array(f"{name}.weight")
        if self.config.norm != "batch":
            x = self._grouped(x, groups_of(len(weight)))
        for operator, part in (("Mul", "weight"), ("Add", "bias")):
            values = graph.array(f"{name}.{part}").reshape(-1, 1, 1)
            x = graph.add(operator, x, graph.constant(values, f"{name}.{part}"))
        return x

    def _grouped(self, x: str, groups: int) -> str:
        graph = self.graph
        one, zero = (graph.constant(np.full(groups, value, np.float32)) for value in (1, 0))
        shape = graph.add("Shape", x)
        rows = graph.add(
            "InstanceNormalization", graph.reshaped(x, 0, groups, -1), one, zero, epsilon=_EPSILON
        )
        return graph.add("Reshape", rows, shape)
