"""Linear layer, linear layer with GELU, and the MLP of both."""

import math

import jittor as jt
from jittor import nn

from pipeline.kernels import device_layers, selection
from pipeline.kernels.operator import Operator, call


def linear(x: jt.Var, weight: jt.Var, bias: jt.Var | None) -> jt.Var:
    """x (..., K), weight (N, K), bias (N,) or None -> x weight^T + bias (..., N).

    Raises:
        ValueError: the shapes do not fit.
    """
    check_layers(x, (weight, bias))
    return (fused_linear if selection.fused_matmul() else plain_linear)(x, weight, bias)


def linear_gelu(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    """GELU(linear(x)), in its exact form: z (1 + erf(z / sqrt 2)) / 2.

    Raises:
        ValueError: the shapes do not fit.
    """
    check_layers(x, (weight, bias))
    if selection.on_device():
        return device_layers.linear_gelu(x, weight, bias)
    return (fused_linear_gelu if selection.fused_matmul() else plain_linear_gelu)(x, weight, bias)


def mlp(x: jt.Var, expand: jt.Var, expand_bias: jt.Var, contract: jt.Var, contract_bias: jt.Var) -> jt.Var:
    """linear(linear_gelu(x, expand, expand_bias), contract, contract_bias): (..., K) -> (..., M).

    The fused one keeps only the hidden values before the GELU and recomputes those after it in the backward
    pass, which saves a quarter of the activations of a transformer block.

    Raises:
        ValueError: the shapes do not fit.
    """
    check_layers(x, (expand, expand_bias), (contract, contract_bias))
    if selection.on_device():
        return device_layers.mlp(x, expand, expand_bias, contract, contract_bias)
    if not selection.fused_matmul():
        return linear(linear_gelu(x, expand, expand_bias), contract, contract_bias)
    rows = _Mlp()(x.reshape(-1, x.shape[-1]), expand, expand_bias, contract, contract_bias)
    return rows.reshape(*x.shape[:-1], contract.shape[0])


def plain_linear(x: jt.Var, weight: jt.Var, bias: jt.Var | None) -> jt.Var:
    rows = nn.matmul_transpose(x.reshape(-1, x.shape[-1]), weight)
    if bias is not None:
        rows = rows + bias
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def plain_linear_gelu(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    z = plain_linear(x, weight, bias)
    return z * (jt.erf(z * math.sqrt(0.5)) + 1.0) * 0.5


def fused_linear(x: jt.Var, weight: jt.Var, bias: jt.Var | None) -> jt.Var:
    rows = x.reshape(-1, x.shape[-1])
    rows = _LinearWithoutBias()(rows, weight) if bias is None else _Linear()(rows, weight, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def fused_linear_gelu(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    rows = _LinearGelu()(x.reshape(-1, x.shape[-1]), weight, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


_MNK = "in0_shape0, in1_shape0, in0_shape1"


class _Linear(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
        self.saved = x, weight
        return forward(x, weight, bias)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, weight = self.saved
        # Negative: x needs no gradient, as for the images themselves.
        x_grad = None if self.input_mask[0] < 0 else input_gradient(out_grad, weight)
        return x_grad, *weight_gradients(out_grad, x)


class _LinearWithoutBias(Operator):
    def execute(self, x: jt.Var, weight: jt.Var) -> jt.Var:
        self.saved = x, weight
        return forward(x, weight)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, jt.Var]:
        x, weight = self.saved
        x_grad = None if self.input_mask[0] < 0 else input_gradient(out_grad, weight)
        return x_grad, weight_gradient(out_grad, x)


class _LinearGelu(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
        z, y = forward_gelu(x, weight, bias)
        self.saved = x, weight, z
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, weight, z = self.saved
        z_grad, bias_grad = gelu_gradient(out_grad, z)
        x_grad = None if self.input_mask[0] < 0 else input_gradient(z_grad, weight)
        return x_grad, weight_gradient(z_grad, x), bias_grad


class _Mlp(Operator):
    def execute(
        self, x: jt.Var, expand: jt.Var, expand_bias: jt.Var, contract: jt.Var, contract_bias: jt.Var
    ):
        z, y = forward_gelu(x, expand, expand_bias)
        self.saved = x, expand, z, contract
        return forward(y, contract, contract_bias)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, expand, z, contract = self.saved
        contract_grads = weight_gradients(out_grad, gelu_again(z))
        z_grad, expand_bias_grad = gelu_gradient(input_gradient(out_grad, contract), z)
        x_grad = None if self.input_mask[0] < 0 else input_gradient(z_grad, expand)
        return x_grad, weight_gradient(z_grad, x), expand_bias_grad, *contract_grads


# Parts of operators here and in other files: rows (R, in), weights (out, in).


def forward(x: jt.Var, weight: jt.Var, *bias: jt.Var) -> jt.Var:
    """The linear layer, with a bias or without."""
    shape = (x.shape[0], weight.shape[0])
    bias_place = "in2_p" if bias else "nullptr"
    return call("linear", f"{_MNK}, in0_p, in1_p, {bias_place}, out0_p", [x, weight, *bias], shape)


def forward_gelu(x: jt.Var, weight: jt.Var, bias: jt.Var) -> list[jt.Var]:
    """The linear layer's output, and its GELU."""
    shape = (x.shape[0], weight.shape[0])
    arguments = f"{_MNK}, in0_p, in1_p, in2_p, out0_p, out1_p"
    return call("linear_gelu", arguments, [x, weight, bias], shape, shape)


def gelu_again(z: jt.Var) -> jt.Var:
    """GELU of the first output of `forward_gelu`, recomputed."""
    return call("gelu", "in0_shape0, in0_shape1, in0_p, out0_p", [z], z.shape)


def gelu_gradient(out_grad: jt.Var, z: jt.Var) -> list[jt.Var]:
    """Gradients of z and of the bias in it."""
    arguments = "in0_shape0, in0_shape1, in0_p, in1_p, out0_p, out1_p"
    return call("gelu_gradient", arguments, [out_grad, z], z.shape, (z.shape[1],))


def input_gradient(out_grad: jt.Var, weight: jt.Var) -> jt.Var:
    """Gradient of a linear layer's input."""
    sizes = "in0_shape0, in0_shape1, in1_shape1"
    shape = (out_grad.shape[0], weight.shape[1])
    return call("linear_input_gradient", f"{sizes}, in0_p, in1_p, out0_p", [out_grad, weight], shape)


def weight_gradient(out_grad: jt.Var, x: jt.Var) -> jt.Var:
    """Gradient of a linear layer's weight, without that of its bias."""
    arguments = "in0_shape0, in0_shape1, in1_shape1, in0_p, in1_p, out0_p, nullptr"
    shape = (out_grad.shape[1], x.shape[1])
    return call("linear_weight_gradient", arguments, [out_grad, x], shape)


def weight_gradients(out_grad: jt.Var, x: jt.Var) -> list[jt.Var]:
    """Gradients of a linear layer's weight and bias."""
    sizes = "in0_shape0, in0_shape1, in1_shape1"
    shape = (out_grad.shape[1], x.shape[1])
    arguments = f"{sizes}, in0_p, in1_p, out0_p, out1_p"
    return call("linear_weight_gradient", arguments, [out_grad, x], shape, shape[:1])


def check_layers(x: jt.Var, *layers: tuple[jt.Var, jt.Var | None]) -> None:
    """Refuse weights and biases that do not fit x, or the layer before.

    Raises:
        ValueError: the shapes do not fit, or x is empty.
    """
    shape = tuple(x.shape)
    for weight, bias in layers:
        if weight.ndim != 2 or not shape or shape[-1] != weight.shape[1] or x.numel() == 0:
            raise ValueError(f"linear: x {shape}, weight {tuple(weight.shape)}; expected (..., K), (N, K)")
        if bias is not None and tuple(bias.shape) != (weight.shape[0],):
            raise ValueError(f"linear: bias {tuple(bias.shape)}; expected ({weight.shape[0]},)")
        shape = (*shape[:-1], weight.shape[0])
