"""The mean over an image's positions of an MLP after a layer norm.

The mean of a linear layer's outputs is its output for the mean. So the MLP's second layer sees one vector of
each image, in the forward pass and for both gradients, and what GELU returns is added up without being
stored.
"""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.dense import check_layers, linear
from pipeline.kernels.mean_positions import mean_positions
from pipeline.kernels.normalization import check_norm
from pipeline.kernels.normed import normed_mlp
from pipeline.kernels.operator import Operator, call
from pipeline.kernels.precision import current_precision


def normed_mlp_mean(
    x: jt.Var,
    norm_weight: jt.Var,
    norm_bias: jt.Var,
    eps: float,
    expand: jt.Var,
    expand_bias: jt.Var,
    contract: jt.Var,
    contract_bias: jt.Var,
) -> jt.Var:
    """mean_positions(normed_mlp(x, norm_weight, norm_bias, eps, expand, ...)): (B, N, K) -> (B, M).

    On a device, and with bfloat16, it is computed as it is written here.

    Raises:
        ValueError: the shapes do not fit.
    """
    if x.ndim != 3:
        raise ValueError(f"normed_mlp_mean: x {tuple(x.shape)}; expected (B, N, K)")
    check_norm(x, norm_weight, norm_bias)
    check_layers(x, (expand, expand_bias), (contract, contract_bias))
    exact = current_precision() == "float32" and not selection.on_device()
    if not (exact and selection.fused_matmul()):
        layers = expand, expand_bias, contract, contract_bias
        return mean_positions(normed_mlp(x, norm_weight, norm_bias, eps, *layers))
    hidden = _hidden_alone if jt.flags.no_grad else _HiddenMean()
    return linear(hidden(x, norm_weight, norm_bias, eps, expand, expand_bias), contract, contract_bias)


def _forward(inputs: list[jt.Var], eps: float, kept: str, *shapes: tuple):
    """Inputs: x, weight and bias of norm and layer; kept: further outputs."""
    places = ", ".join(f"in{i}_p" for i in range(5))
    arguments = f'in0_shape0, in0_shape1, in0_shape2, in3_shape0, data["eps"], {places}, out0_p, {kept}'
    shape = inputs[0].shape[0], inputs[3].shape[0]
    return call("normed_gelu_mean", arguments, inputs, shape, *shapes, data={"eps": eps})


def _hidden_alone(x: jt.Var, norm_weight: jt.Var, norm_bias: jt.Var, eps: float, *layer: jt.Var) -> jt.Var:
    """The same as `_HiddenMean`, for use without gradients."""
    return _forward([x, norm_weight, norm_bias, *layer], eps, "nullptr, nullptr")


class _HiddenMean(Operator):
    """x (B, N, K), norm, eps, layer -> mean over N of GELU(linear(layer_norm(x))): (B, H)."""

    def execute(self, x, norm_weight, norm_bias, eps, weight, bias) -> jt.Var:
        rows = x.shape[0] * x.shape[1]
        inputs = [x, norm_weight, norm_bias, weight, bias]
        mean, moments, z = _forward(inputs, eps, "out1_p, out2_p", (rows, 2), (rows, weight.shape[0]))
        self.saved = [x, norm_weight, norm_bias, weight, moments, z]
        return mean

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, norm_weight, _, weight, *_ = self.saved
        places = ", ".join(f"in{i}_p" for i in range(7)) + ", " + ", ".join(f"out{i}_p" for i in range(5))
        sizes = "in1_shape0, in1_shape1, in1_shape2, in4_shape0"
        norm = norm_weight.shape
        x_grad, norm_weight_grad, norm_bias_grad, *of_layer = call(
            "normed_gelu_mean_gradient",
            f"{sizes}, {places}",
            [out_grad, *self.saved],
            x.shape,
            norm,
            norm,
            weight.shape,
            weight.shape[:1],
        )
        return x_grad, norm_weight_grad, norm_bias_grad, None, *of_layer
