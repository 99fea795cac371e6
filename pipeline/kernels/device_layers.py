"""Layers that are one call of the device library: MLPs, and a layer after a norm.

Besides products, a device's time goes to the host and to memory traffic between operators. So a layer is one
operator, forward and backward, and stores as little between them as the products need.

Shapes: rows (R, in), weights (out, in), biases (out,).
"""

import jittor as jt

from pipeline.kernels.operator import Operator, call
from pipeline.kernels.precision import activation_dtype

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


class _LinearGelu(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
        shape = (x.shape[0], weight.shape[0])
        arguments = f"{_LINEAR}, in0_p, in1_p, in2_p, out0_p, out1_p"
        dtypes = "float32", activation_dtype()
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
        y, z = call("mlp", arguments, inputs, *shapes, dtypes=("float32", activation_dtype()))
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
    """Gradients of the rows, if needed, and of the weights; `{}` in the arguments stands for the former."""
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
        x_grad, norm, shift, *layer = call("normed_linear_gradient", f"{sizes}, {places}", inputs, *shapes)
        return x_grad, norm, shift, None, *layer
