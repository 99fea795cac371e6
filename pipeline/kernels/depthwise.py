"""Depthwise convolution with the channels last."""

import jittor as jt
from jittor import nn

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def depthwise_conv(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    """Convolve each channel with its own k x k filter, stride 1, zeros around the image.

    Args:
        x: (B, H, W, C).
        weight: (k, k, C), k odd.
        bias: (C,).

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: the shapes do not fit.
    """
    fits = (
        x.ndim == 4 and weight.ndim == 3 and weight.shape[0] == weight.shape[1] and weight.shape[0] % 2 == 1
    )
    if not fits or weight.shape[2] != x.shape[3] or tuple(bias.shape) != (x.shape[3],) or x.numel() == 0:
        shapes = tuple(x.shape), tuple(weight.shape), tuple(bias.shape)
        raise ValueError(
            f"depthwise_conv: x {shapes[0]}, weight {shapes[1]}, bias {shapes[2]}; "
            "expected (B, H, W, C), (k, k, C) with k odd, (C,)"
        )
    return (fused_depthwise_conv if selection.fused() else plain_depthwise_conv)(x, weight, bias)


def plain_depthwise_conv(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    channels, side = x.shape[3], weight.shape[0]
    filters = weight.permute(2, 0, 1).unsqueeze(1)
    y = nn.conv2d(x.permute(0, 3, 1, 2), filters, padding=side // 2, groups=channels)
    return y.permute(0, 2, 3, 1) + bias


def fused_depthwise_conv(x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
    return _DepthwiseConv()(x, weight, bias)


_SIZES = "in0_shape0, in0_shape1, in0_shape2, in0_shape3, in1_shape0"


class _DepthwiseConv(Operator):
    def execute(self, x: jt.Var, weight: jt.Var, bias: jt.Var) -> jt.Var:
        self.saved = x, weight
        return call(
            "depthwise_conv", f"{_SIZES}, in0_p, in1_p, in2_p, out0_p", [x, weight, bias], x.shape
        )

    def grad(self, out_grad: jt.Var) -> list[jt.Var]:
        x, weight = self.saved
        arguments = f"{_SIZES}, in0_p, in1_p, in2_p, out0_p, out1_p, out2_p"
        shapes = x.shape, weight.shape, weight.shape[2:]
        return call("depthwise_conv_gradient", arguments, [x, weight, out_grad], *shapes)
