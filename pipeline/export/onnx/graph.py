"""Builds an ONNX graph, with the layers that several networks use.

Shapes: "..." stands for any leading dimensions, C channels, D channels of the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

OPSET = 17  # the first one with LayerNormalization
_IR_VERSION = 8  # the format's version that came with this opset: older runtimes read it too
MAX_BYTES = 2**31 - 1  # of one protobuf message


@dataclass(frozen=True)
class Graph:
    """Nodes in order, with values named by their numbers.

    Args:
        arrays: parameters of the network by this project's names.
        prefix: of the names of a part's parameters.
    """

    arrays: Mapping[str, np.ndarray]
    prefix: str = ""
    nodes: list[Any] = field(default_factory=list)
    stored: dict[str, np.ndarray] = field(default_factory=dict)

    def part(self, name: str) -> "Graph":
        """The same graph, with a prefix for the names of a part."""
        return replace(self, prefix=f"{self.prefix}{name}.")

    def array(self, name: str) -> np.ndarray:
        """A parameter's numbers."""
        return self.arrays[self.prefix + name]

    def has(self, name: str) -> bool:
        """Whether there is such a parameter."""
        return self.prefix + name in self.arrays

    def constant(self, array: Any, name: str = "") -> str:
        """Add a stored value.

        Args:
            name: of the parameter; empty for numbers that are not a parameter.
        """
        name = self.prefix + name if name else f"constant{len(self.stored)}"
        self.stored[name] = np.array(array, order="C")  # a scalar remains one
        return name

    def integers(self, *values: int) -> str:
        """Add a stored list of integers, such as a shape."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add a stored scalar."""
        return self.constant(np.array(value, np.float32))

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator; return its output."""
        from onnx import helper

        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def several(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add an operator with several outputs; return them."""
        from onnx import helper

        names = [f"value{len(self.nodes)}.{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def scalar(self, x: str) -> str:
        """x (1,) -> ()."""
        return self.add("Squeeze", x)

    def reshaped(self, x: str, *shape: int) -> str:
        """x in another shape: 0 keeps a dimension, -1 is inferred."""
        return self.add("Reshape", x, self.integers(*shape))

    def permuted(self, x: str, *order: int) -> str:
        """x with its dimensions in another order."""
        return self.add("Transpose", x, perm=list(order))

    def cut(self, x: str, axis: int, first: int, last: int, step: int = 1) -> str:
        """Positions first, first + step, ... below last of an axis."""
        return self.add("Slice", x, *(self.integers(value) for value in (first, last, axis, step)))

    def linear(self, x: str, name: str, *, bias: bool = True) -> str:
        """x (..., C) -> (..., D)."""
        weight = self.constant(self.array(f"{name}.weight").T, f"{name}.weight")
        product = self.add("MatMul", x, weight)
        return (
            self.add("Add", product, self.constant(self.array(f"{name}.bias"), f"{name}.bias"))
            if bias
            else product
        )

    def layer_norm(self, x: str, name: str, epsilon: float) -> str:
        """x (..., C), over the last dimension."""
        parts = [self.constant(self.array(part), part) for part in (f"{name}.weight", f"{name}.bias")]
        return self.add("LayerNormalization", x, *parts, axis=-1, epsilon=epsilon)

    def standardised(self, x: str, dim: int, epsilon: float) -> str:
        """A layer norm without parameters: x (..., C)."""
        one, zero = (self.constant(np.full(dim, value, np.float32)) for value in (1, 0))
        return self.add("LayerNormalization", x, one, zero, axis=-1, epsilon=epsilon)

    def gelu(self, x: str) -> str:
        """The exact GELU, by the error function."""
        error = self.add("Erf", self.add("Mul", x, self.number(0.5**0.5)))
        half = self.add("Mul", x, self.number(0.5))
        return self.add("Mul", half, self.add("Add", error, self.number(1.0)))

    def mlp(self, x: str, name: str) -> str:
        """x (..., C) -> the same shape, one hidden layer."""
        return self.linear(self.gelu(self.linear(x, f"{name}.expand")), f"{name}.contract")

    def convolution(self, x: str, filters: np.ndarray, bias: np.ndarray | None = None, **attributes) -> str:
        """x (B, C, h, w) by filters (D, C / groups, k, k)."""
        inputs = [self.constant(filters), *([] if bias is None else [self.constant(bias)])]
        return self.add("Conv", x, *inputs, kernel_shape=list(filters.shape[2:]), **attributes)

    def windows(self, x: str, height: int, width: int, dim: int, side: int) -> str:
        """(B, height, width, C) -> (B, height / side, width / side, side side C): row, column, channel."""
        if side == 1:
            return x
        rows, columns = height // side, width // side
        x = self.permuted(self.reshaped(x, 0, rows, side, columns, side, dim), 0, 1, 3, 2, 4, 5)
        return self.reshaped(x, 0, rows, columns, side * side * dim)

    def mean_over_positions(self, x: str) -> str:
        """(B, h, w, C) -> (B, C)."""
        return self.add("ReduceMean", x, axes=[1, 2], keepdims=0)

    def softmax_attention(self, qkv: str, heads: int, head_dim: int, bias: str | None = None) -> str:
        """Queries, keys and values (B, N, 3, heads, d) -> (B, N, heads d); bias: added to the scores."""
        parts = [
            self.add("Gather", qkv, self.constant(np.array(part, np.int64)), axis=2) for part in range(3)
        ]
        query, value = (self.permuted(parts[part], 0, 2, 1, 3) for part in (0, 2))
        scores = self.add("MatMul", query, self.permuted(parts[1], 0, 2, 3, 1))
        scores = self.add("Mul", scores, self.number(head_dim**-0.5))
        if bias is not None:
            scores = self.add("Add", scores, bias)
        mixed = self.add("MatMul", self.add("Softmax", scores, axis=-1), value)
        return self.reshaped(self.permuted(mixed, 0, 2, 1, 3), 0, -1, heads * head_dim)

    def model(
        self,
        size: int,
        outputs: Mapping[str, tuple[Any, ...]],
        properties: Mapping[str, str],
        *,
        batch: int | str = "batch",
        inputs: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
        types: Mapping[str, int] = MappingProxyType({}),
    ) -> bytes:
        """The content of the file, checked by `onnx`.

        Args:
            size: side in pixels of the input "images" (batch, 3, size, size), float32.
            outputs: name -> shape.
            batch: number of images, or a name for any number.
            inputs: name -> shape of further inputs, float32.
            types: ONNX's numbers of the types of outputs that are not float32.
        """
        import onnx
        from onnx import helper, numpy_helper

        def described(name: str, shape: tuple[Any, ...]):
            return helper.make_tensor_value_info(name, types.get(name, onnx.TensorProto.FLOAT), list(shape))

        shapes = {"images": (batch, 3, size, size), **inputs}
        made = helper.make_graph(
            self.nodes,
            "network",
            [described(name, shape) for name, shape in shapes.items()],
            [described(name, shape) for name, shape in outputs.items()],
            [numpy_helper.from_array(array, name) for name, array in self.stored.items()],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(made, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="hssl")
        helper.set_model_props(model, dict(properties))
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()
