"""A ViT as an ONNX graph, written without PyTorch.

Shapes: B images of S pixels, p pixels of a patch's side, h = S / p, N = h h patches, D channels, H heads.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.card import write_card
from pipeline.export.described_base import DescribedBase
from pipeline.export.error import ExportError
from pipeline.weights.layouts.converted import NORM_EPS

ONNX_FILE = "backbone.onnx"
OPSET = 17  # the first one with LayerNormalization
_IR_VERSION = 8  # the format's version that came with this opset: older runtimes read it too
_MAX_BYTES = 2**31 - 1  # of one protobuf message
_USE = """\
import onnxruntime
session = onnxruntime.InferenceSession("{folder}/backbone.onnx")
cls, patches = session.run(["cls", "patches"], {"images": images})  # (B, 3, S, S), normalised as above"""


def write_onnx(base: DescribedBase, folder: Path) -> tuple[str, ...]:
    """Write backbone.onnx and README.md.

    Raises:
        ExportError: the base is no ViT, or too large for one file.
    """
    import onnx
    from onnx import helper

    config = base.config
    if config.kind != "vit":
        raise ExportError(f"format=onnx writes a ViT; the operators of a {config.kind} are not written yet")
    if sum(array.nbytes for array in base.arrays.values()) > _MAX_BYTES:
        raise ExportError("the base is larger than the 2 GiB that one ONNX file holds")
    size, side, dim = config.image_size, config.grid[0], config.embed_dim
    graph = _Graph(onnx)
    cls, patches = _outputs(graph, base)
    inputs = [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["batch", 3, size, size])]
    outputs = [
        helper.make_tensor_value_info(cls, onnx.TensorProto.FLOAT, ["batch", dim]),
        helper.make_tensor_value_info(patches, onnx.TensorProto.FLOAT, ["batch", side, side, dim]),
    ]
    made = helper.make_graph(graph.nodes, "backbone", inputs, outputs, graph.initializers)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION, producer_name="hssl"
    )
    helper.set_model_props(
        model, {name: " ".join(map(repr, getattr(base, name).tolist())) for name in ("mean", "std")}
    )
    onnx.checker.check_model(model, full_check=True)
    (folder / ONNX_FILE).write_bytes(model.SerializeToString())
    write_card(folder, base, library="onnx", use=_USE)
    return (f"opset {OPSET}, any batch, images of {size} px",)


class _Graph:
    """Nodes in order, each value named by its number."""

    def __init__(self, onnx: Any):
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._onnx = onnx

    def constant(self, name: str, array: np.ndarray) -> str:
        """A value that is stored."""
        stored = np.array(array, order="C")  # a scalar stays one
        self.initializers.append(self._onnx.numpy_helper.from_array(stored, name))
        return name

    def integers(self, *values: int) -> str:
        """A stored list of whole numbers, such as a shape."""
        return self.constant(f"integers{len(self.initializers)}", np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """The value that an operator computes."""
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def number(self, value: float) -> str:
        """A stored scalar."""
        return self.constant(f"number{len(self.initializers)}", np.array(value, np.float32))


def _outputs(graph: _Graph, base: DescribedBase) -> tuple[str, str]:
    """Add the whole forward pass; return the names of CLS (B, D) and patches (B, h, h, D)."""
    config, arrays = base.config, base.arrays
    dim, patch, side = config.embed_dim, config.patch_size, config.grid[0]
    filters = graph.constant("patch_embed", arrays["patch_embed.weight"].reshape(dim, 3, patch, patch))
    bias = graph.constant("patch_embed.bias", arrays["patch_embed.bias"])
    x = graph.add("Conv", "images", filters, bias, kernel_shape=[patch, patch], strides=[patch, patch])
    x = graph.add("Reshape", x, graph.integers(0, dim, side * side))
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    batch = graph.add("Slice", graph.add("Shape", "images"), graph.integers(0), graph.integers(1))
    shape = graph.add("Concat", batch, graph.integers(1, dim), axis=0)
    cls = graph.add("Expand", graph.constant("cls_token", arrays["cls_token"][None]), shape)
    x = graph.add("Concat", cls, x, axis=1)
    x = graph.add("Add", x, graph.constant("pos_embed", arrays["pos_embed"][None]))
    for index in range(config.depth):
        x = _block(graph, base, f"blocks.{index}.", x)
    x = _norm(graph, base, "norm", x)
    cls = graph.add("Gather", x, graph.constant("first", np.array(0, np.int64)), axis=1, output="cls")
    ends = graph.integers(1), graph.integers(1 + side * side), graph.integers(1)
    patches = graph.add("Slice", x, *ends)
    return cls, graph.add("Reshape", patches, graph.integers(0, side, side, dim), output="patches")


def _block(graph: _Graph, base: DescribedBase, name: str, x: str) -> str:
    """x (B, 1 + N, D) -> the same shape."""
    heads, dim = base.config.num_heads, base.config.embed_dim
    qkv = _linear(graph, base, f"{name}attention.qkv", _norm(graph, base, f"{name}norm_attention", x))
    qkv = graph.add("Reshape", qkv, graph.integers(0, 0, 3, heads, dim // heads))
    parts = []
    for part in range(3):
        index = graph.constant(f"{name}part{part}", np.array(part, np.int64))
        parts.append(graph.add("Gather", qkv, index, axis=2))  # (B, 1 + N, H, D / H)
    query = graph.add("Transpose", parts[0], perm=[0, 2, 1, 3])
    key = graph.add("Transpose", parts[1], perm=[0, 2, 3, 1])
    value = graph.add("Transpose", parts[2], perm=[0, 2, 1, 3])
    scaled = graph.add("Mul", graph.add("MatMul", query, key), graph.number((dim // heads) ** -0.5))
    mixed = graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), value)
    mixed = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), graph.integers(0, 0, dim))
    x = graph.add("Add", x, _linear(graph, base, f"{name}attention.out", mixed))
    hidden = _linear(graph, base, f"{name}mlp.expand", _norm(graph, base, f"{name}norm_mlp", x))
    error = graph.add("Erf", graph.add("Mul", hidden, graph.number(0.5**0.5)))
    half = graph.add("Mul", hidden, graph.number(0.5))
    hidden = graph.add("Mul", half, graph.add("Add", error, graph.number(1.0)))
    return graph.add("Add", x, _linear(graph, base, f"{name}mlp.contract", hidden))


def _linear(graph: _Graph, base: DescribedBase, name: str, x: str) -> str:
    weight = graph.constant(f"{name}.weight", base.arrays[f"{name}.weight"].T)
    bias = graph.constant(f"{name}.bias", base.arrays[f"{name}.bias"])
    return graph.add("Add", graph.add("MatMul", x, weight), bias)


def _norm(graph: _Graph, base: DescribedBase, name: str, x: str) -> str:
    parts = (f"{name}.weight", f"{name}.bias")
    weight, bias = (graph.constant(part, base.arrays[part]) for part in parts)
    return graph.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=NORM_EPS)
