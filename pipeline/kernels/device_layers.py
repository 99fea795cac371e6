"""Layers that are one call of the device library: MLPs, layers after a norm, a transformer block.

On a device, what costs time beside the products is the host and the memory between operators. So a layer is
one operator, forward and backward, and what it keeps between them is as small as products read it.

Shapes: rows (R, in), weights (out, in), biases (out,).
"""

from typing import NamedTuple

import jittor as jt

from pipeline.kernels.operator import Operator, call
from pipeline.kernels.precision import kept_dtype

_LINEAR = "in0_shape0, in1_shape0, in0_shape1"


def linear_gelu(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    """x (..., K) -> GELU of the linear layer (..., N)."""
    rows = _LinearGelu()(x.reshape(-1, x.shape[-1]), weight, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def mlp(x: jt.Var, *layers: jt.Var) -> jt.Var:
    """x (..., K) -> (..., M); layers: expand, its bias, contract, its bias."""
    return _Mlp()(x.reshape(-1, x.shape[-1]), *layers).reshape(*x.shape[:-1], layers[2].shape[0])


def normed_linear(
    x: jt.Var, norm_weight: jt.Var, norm_bias: jt.Var, eps: float, weight: jt.Var, bias: jt.Var
) -> jt.Var:
    """x (..., K) -> linear layer of its layer norm (..., N)."""
    rows = _NormedLinear()(x.reshape(-1, x.shape[-1]), norm_weight, norm_bias, eps, weight, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def normed_mlp(x: jt.Var, norm_weight: jt.Var, norm_bias: jt.Var, eps: float, *layers: jt.Var) -> jt.Var:
    """x (..., K) -> MLP of its layer norm (..., M); layers as of `mlp`."""
    rows = _NormedMlp()(x.reshape(-1, x.shape[-1]), norm_weight, norm_bias, eps, *layers)
    return rows.reshape(*x.shape[:-1], layers[2].shape[0])


class BlockWeights(NamedTuple):
    """Parameters of a pre-norm transformer block of width D, with H hidden numbers in its MLP."""

    norm1_weight: jt.Var  # (D,)
    norm1_bias: jt.Var
    qkv_weight: jt.Var  # (3 D, D)
    qkv_bias: jt.Var
    out_weight: jt.Var  # (D, D)
    out_bias: jt.Var
    norm2_weight: jt.Var  # (D,)
    norm2_bias: jt.Var
    expand: jt.Var  # (H, D)
    expand_bias: jt.Var
    contract: jt.Var  # (D, H)
    contract_bias: jt.Var


def block(
    x: jt.Var, weights: BlockWeights, num_heads: int, eps: float, drop_path_scales: jt.Var | None
) -> jt.Var:
    """x (B, N, D) -> same shape; drop_path_scales (2, B) or None."""
    scales = [] if drop_path_scales is None else [drop_path_scales.stop_grad()]
    return _Block()(x, *weights, *scales, num_heads, eps)


class _LinearGelu(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
        shape = (x.shape[0], weight.shape[0])
        arguments = f"{_LINEAR}, in0_p, in1_p, in2_p, out0_p, out1_p"
        dtypes = "float32", kept_dtype()
        y, z = call("dense_gelu", arguments, [x, weight, bias], shape, shape, dtypes=dtypes)
        self.saved = x, weight, z
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, weight, z = self.saved
        arguments = "in0_shape0, in0_shape1, in1_shape1, in0_p, in1_p, in2_p, in3_p, {}, out0_p, out1_p"
        shapes = [weight.shape, weight.shape[:1]]
        return _gradients(self, "dense_gelu_gradient", arguments, [out_grad, x, weight, z], shapes)


class _Mlp(Operator):
    def execute(self, x, expand, expand_bias, contract, contract_bias) -> jt.Var:
        inputs = [x, expand, expand_bias, contract, contract_bias]
        sizes = "in0_shape0, in0_shape1, in1_shape0, in3_shape0"
        arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, in4_p, out0_p, out1_p"
        shapes = (x.shape[0], contract.shape[0]), (x.shape[0], expand.shape[0])
        y, z = call("mlp", arguments, inputs, *shapes, dtypes=("float32", kept_dtype()))
        self.saved = x, expand, contract, z
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, expand, contract, z = self.saved
        sizes = "in1_shape0, in1_shape1, in2_shape0, in3_shape0"
        arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, in4_p, {{}}, out0_p, out1_p, out2_p, out3_p"
        shapes = [expand.shape, expand.shape[:1], contract.shape, contract.shape[:1]]
        inputs = [out_grad, x, expand, contract, z]
        return _gradients(self, "mlp_gradient", arguments, inputs, shapes)


def _gradients(
    operator: Operator, function: str, arguments: str, inputs: list[jt.Var], shapes: list
) -> tuple[jt.Var | None, ...]:
    """Of the rows, where they need one, and of the weights; `{}` in the arguments stands for the rows'."""
    if operator.input_mask[0] < 0:
        return None, *call(function, arguments.format("nullptr"), inputs, *shapes)
    arguments = arguments.format(f"out{len(shapes)}_p")
    *others, x_grad = call(function, arguments, inputs, *shapes, inputs[1].shape)
    return x_grad, *others


class _NormedLinear(Operator):
    def execute(self, x, norm_weight, norm_bias, eps, weight, bias) -> jt.Var:
        inputs = [x, norm_weight, norm_bias, weight, bias]
        sizes = 'in0_shape0, in0_shape1, in3_shape0, data["eps"]'
        arguments = f"{sizes}, in0_p, in1_p, in2_p, in3_p, in4_p, out0_p, out1_p"
        shapes = (x.shape[0], weight.shape[0]), (x.shape[0], 2)
        y, moments = call("normed_linear", arguments, inputs, *shapes, data={"eps": eps})
        self.saved = [x, norm_weight, norm_bias, weight, moments]
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, norm_weight, _, weight, _ = self.saved
        sizes = "in1_shape0, in1_shape1, in0_shape1"
        places = ", ".join(f"in{i}_p" for i in range(6)) + ", " + ", ".join(f"out{i}_p" for i in range(5))
        shapes = x.shape, norm_weight.shape, norm_weight.shape, weight.shape, weight.shape[:1]
        inputs = [out_grad, *self.saved]
        x_grad, norm, shift, *layer = call(
            "normed_linear_gradient", f"{sizes}, {places}", inputs, *shapes
        )
        return x_grad, norm, shift, None, *layer


class _NormedMlp(Operator):
    def execute(self, x, norm_weight, norm_bias, eps, expand, expand_bias, contract, contract_bias) -> jt.Var:
        inputs = [x, norm_weight, norm_bias, expand, expand_bias, contract, contract_bias]
        sizes = 'in0_shape0, in0_shape1, in3_shape0, in5_shape0, data["eps"]'
        places = ", ".join(f"in{i}_p" for i in range(7))
        rows = x.shape[0]
        shapes = (rows, contract.shape[0]), (rows, 2), (rows, expand.shape[0])
        y, moments, z = call(
            "normed_mlp",
            f"{sizes}, {places}, out0_p, out1_p, out2_p",
            inputs,
            *shapes,
            data={"eps": eps},
            dtypes=("float32", "float32", kept_dtype()),
        )
        self.saved = [x, norm_weight, norm_bias, expand, contract, moments, z]
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, norm_weight, _, expand, contract, *_ = self.saved
        sizes = "in1_shape0, in1_shape1, in4_shape0, in5_shape0"
        places = ", ".join(f"in{i}_p" for i in range(8)) + ", " + ", ".join(f"out{i}_p" for i in range(7))
        norm, layers = norm_weight.shape, (expand.shape, expand.shape[:1], contract.shape, contract.shape[:1])
        inputs = [out_grad, *self.saved]
        x_grad, weight, bias, *others = call(
            "normed_mlp_gradient", f"{sizes}, {places}", inputs, x.shape, norm, norm, *layers
        )
        return x_grad, weight, bias, None, *others


class _Block(Operator):
    """Inputs: x, the twelve weights, the scales of the paths if there are any, number of heads, eps."""

    def execute(self, x: jt.Var, *rest) -> jt.Var:
        *weights, num_heads, eps = rest
        scales, weights = weights[12:], weights[:12]
        batch, tokens, width = x.shape
        hidden, rows = weights[8].shape[0], batch * tokens
        self.data = {"heads": num_heads, "eps": eps}
        self.has_scales = bool(scales)
        inputs = [x, *weights, *scales]
        names = ", ".join(f"in{i}_p" for i in range(1, 13))
        path = "in13_p" if scales else "nullptr"
        kept = kept_dtype()
        y, *saved = call(
            "block",
            f'{_BLOCK}, data["eps"], in0_p, {path}, {names}, ' + ", ".join(f"out{i}_p" for i in range(7)),
            inputs,
            (batch, tokens, width),
            (rows, 3 * width),
            (rows, width),
            (batch, num_heads, tokens),
            (rows, width),
            (rows, hidden),
            (2, rows, 2),
            data=self.data,
            dtypes=("float32", kept, kept, "float32", "float32", kept, "float32"),
        )
        self.saved = inputs, saved
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        (x, *weights), saved = self.saved
        scales, weights = weights[12:], weights[:12]
        inputs = [x, *(weights[i] for i in _GRADIENT_WEIGHTS), *saved, out_grad, *scales]
        names = ", ".join(f"in{i}_p" for i in range(1, 15))
        outputs = ", ".join(f"out{i}_p" for i in range(13))
        path = "in16_p" if scales else "nullptr"
        x_grad, *gradients = call(
            "block_gradient",
            f"{_BLOCK_GRADIENT}, in15_p, in0_p, {path}, {names}, {outputs}",
            inputs,
            x.shape,
            *(weight.shape for weight in weights),
            data=self.data,
        )
        return x_grad, *gradients, *[None] * (len(scales) + 2)


_HEADS = '(long)data["heads"]'
_BLOCK = f"in0_shape0, in0_shape1, in0_shape2, in9_shape0, {_HEADS}"
# The weights that the gradient reads, all but the biases of linear layers: as in1 ... in8.
_GRADIENT_WEIGHTS = (0, 1, 2, 4, 6, 7, 8, 10)
_BLOCK_GRADIENT = f"in0_shape0, in0_shape1, in0_shape2, in7_shape0, {_HEADS}"
