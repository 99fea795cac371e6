"""Linear layer and MLP after a layer norm, whose output is not kept.

The backward pass needs that output as the input of the layer: it is recomputed from what the norm keeps for
its own gradient anyway, which saves an eighth of the activations of a transformer block.
"""

import jittor as jt

from pipeline.kernels import device_layers, selection
from pipeline.kernels.dense import (
    check_layers,
    forward,
    input_gradient,
    linear,
    mlp,
    weight_gradients,
)
from pipeline.kernels.normalization import check_norm, fused_norm, fused_norm_gradients, layer_norm
from pipeline.kernels.operator import Operator, call
from pipeline.kernels.precision import activation_dtype, layer_function


def normed_linear(
    x: jt.Var, norm_weight: jt.Var, norm_bias: jt.Var, eps: float, weight: jt.Var, bias: jt.Var
) -> jt.Var:
    """linear(layer_norm(x, norm_weight, norm_bias, eps), weight, bias): (..., K) -> (..., N).

    Raises:
        ValueError: the shapes do not fit.
    """
    check_norm(x, norm_weight, norm_bias)
    check_layers(x, (weight, bias))
    if selection.on_device():
        return device_layers.normed_linear(x, norm_weight, norm_bias, eps, weight, bias)
    if not selection.fused_matmul():
        return linear(layer_norm(x, norm_weight, norm_bias, eps), weight, bias)
    rows = _NormedLinear()(x.reshape(-1, x.shape[-1]), norm_weight, norm_bias, eps, weight, bias)
    return rows.reshape(*x.shape[:-1], weight.shape[0])


def normed_mlp(
    x: jt.Var,
    norm_weight: jt.Var,
    norm_bias: jt.Var,
    eps: float,
    expand: jt.Var,
    expand_bias: jt.Var,
    contract: jt.Var,
    contract_bias: jt.Var,
) -> jt.Var:
    """mlp(layer_norm(x, norm_weight, norm_bias, eps), expand, ...): (..., K) -> (..., M).

    Raises:
        ValueError: the shapes do not fit.
    """
    check_norm(x, norm_weight, norm_bias)
    check_layers(x, (expand, expand_bias), (contract, contract_bias))
    layers = expand, expand_bias, contract, contract_bias
    if not selection.fused_matmul():
        return mlp(layer_norm(x, norm_weight, norm_bias, eps), *layers)
    rows = _NormedMlp()(x.reshape(-1, x.shape[-1]), norm_weight, norm_bias, eps, *layers)
    return rows.reshape(*x.shape[:-1], contract.shape[0])


class _NormedLinear(Operator):
    def execute(self, x, norm_weight, norm_bias, eps, weight, bias) -> jt.Var:
        normed, moments = fused_norm(x, norm_weight, norm_bias, eps)
        self.saved = x, norm_weight, norm_bias, moments, weight
        self.eps = eps
        return forward(normed, weight, bias)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, norm_weight, norm_bias, moments, weight = self.saved
        normed, _ = fused_norm(x, norm_weight, norm_bias, self.eps)
        layer_grads = weight_gradients(out_grad, normed)
        norm_grads = fused_norm_gradients(input_gradient(out_grad, weight), x, norm_weight, moments)
        return *norm_grads, None, *layer_grads


class _NormedMlp(Operator):
    """Forward and backward in one call each."""

    def execute(self, x, norm_weight, norm_bias, eps, expand, expand_bias, contract, contract_bias) -> jt.Var:
        inputs = [x, norm_weight, norm_bias, expand, expand_bias, contract, contract_bias]
        sizes = 'in0_shape0, in0_shape1, in3_shape0, in5_shape0, data["eps"]'
        places = ", ".join(f"in{i}_p" for i in range(7))
        rows = x.shape[0]
        shapes = (rows, contract.shape[0]), (rows, 2), (rows, expand.shape[0])
        self.function = layer_function("normed_mlp")
        y, moments, z = call(
            self.function,
            f"{sizes}, {places}, out0_p, out1_p, out2_p",
            inputs,
            *shapes,
            data={"eps": eps},
            dtypes=("float32", "float32", activation_dtype()),
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
            f"{self.function}_gradient", f"{sizes}, {places}", inputs, x.shape, norm, norm, *layers
        )
        return x_grad, weight, bias, None, *others
