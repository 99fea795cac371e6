"""Layer norm, and rows scaled to length one."""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def layer_norm(x: jt.Var, weight: jt.Var, bias: jt.Var, eps: float) -> jt.Var:
    """(x - mean) / sqrt(variance + eps) weight + bias over the last dimension; x (..., C), weight, bias (C,).

    The variance is that of differences to the mean, so that rows far from zero lose no digits.

    Raises:
        ValueError: the shapes do not fit.
    """
    check_norm(x, weight, bias)
    return (fused_layer_norm if selection.fused() else plain_layer_norm)(x, weight, bias, eps)


def check_norm(x: jt.Var, weight: jt.Var, bias: jt.Var) -> None:
    """Refuse weight and bias that do not fit x.

    Raises:
        ValueError: the shapes do not fit, or x is empty.
    """
    channels = x.shape[-1]
    if tuple(weight.shape) != (channels,) or tuple(bias.shape) != (channels,) or x.numel() == 0:
        shapes = tuple(x.shape), tuple(weight.shape), tuple(bias.shape)
        raise ValueError(
            f"layer_norm: x {shapes[0]}, weight {shapes[1]}, bias {shapes[2]}; expected (..., C), (C,), (C,)"
        )


def l2_normalize(x: jt.Var, eps: float = 1e-12) -> jt.Var:
    """x (M, C) -> x / max(norm of its row, eps).

    Raises:
        ValueError: x is not a non-empty matrix.
    """
    if x.ndim != 2 or x.numel() == 0:
        raise ValueError(f"l2_normalize: x {tuple(x.shape)}; expected (M, C)")
    return (fused_l2_normalize if selection.fused() else plain_l2_normalize)(x, eps)


def plain_layer_norm(x: jt.Var, weight: jt.Var, bias: jt.Var, eps: float) -> jt.Var:
    channels = x.shape[-1]
    centered = x - x.sum(-1, keepdims=True) / channels
    variance = (centered * centered).sum(-1, keepdims=True) / channels
    return centered / jt.sqrt(variance + eps) * weight + bias


def plain_l2_normalize(x: jt.Var, eps: float = 1e-12) -> jt.Var:
    # The root of a clamped square has no infinite gradient at a row of zeros.
    squares = (x * x).sum(-1, keepdims=True)
    return x / jt.sqrt(jt.maximum(squares, eps * eps))


def fused_layer_norm(x: jt.Var, weight: jt.Var, bias: jt.Var, eps: float) -> jt.Var:
    return _LayerNorm()(x.reshape(-1, x.shape[-1]), weight, bias, eps).reshape(x.shape)


def fused_l2_normalize(x: jt.Var, eps: float = 1e-12) -> jt.Var:
    return _L2Normalize()(x, eps)


class _LayerNorm(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var, eps: float) -> jt.Var:
        y, moments = fused_norm(x, weight, bias, eps)
        self.saved = x, weight, moments
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        return *fused_norm_gradients(out_grad, *self.saved), None


def fused_norm(x: jt.Var, weight: jt.Var, bias: jt.Var, eps: float) -> list[jt.Var]:
    """The layer norm of rows (R, C), and moments (R, 2) for its gradient."""
    arguments = 'in0_shape0, in0_shape1, data["eps"], in0_p, in1_p, in2_p, out0_p, out1_p'
    shapes = x.shape, (x.shape[0], 2)
    return call("layer_norm", arguments, [x, weight, bias], *shapes, data={"eps": eps})


def fused_norm_gradients(out_grad: jt.Var, x: jt.Var, weight: jt.Var, moments: jt.Var) -> list[jt.Var]:
    """Gradients of rows, weight and bias."""
    arguments = "in0_shape0, in0_shape1, in0_p, in1_p, in2_p, in3_p, out0_p, out1_p, out2_p"
    shapes = x.shape, weight.shape, weight.shape
    return call("layer_norm_gradient", arguments, [out_grad, x, weight, moments], *shapes)


class _L2Normalize(Operator):
    def execute(self, x: jt.Var, eps: float) -> jt.Var:
        arguments = 'in0_shape0, in0_shape1, data["eps"], in0_p, out0_p, out1_p'
        y, scales = call("l2_normalize", arguments, [x], x.shape, (x.shape[0],), data={"eps": eps})
        self.saved = y, scales
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, None]:
        arguments = "in0_shape0, in0_shape1, in0_p, in1_p, in2_p, out0_p"
        return call("l2_normalize_gradient", arguments, [out_grad, *self.saved], out_grad.shape), None
