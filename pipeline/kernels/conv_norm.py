"""Convolution, batch norm and ReLU as one operator.

Shapes: B images, C and O channels, k x k filters, h x w positions of the result.
"""

from typing import NamedTuple

import jittor as jt
from jittor import nn

from pipeline.kernels import selection
from pipeline.kernels.channel_sums import batch_norm
from pipeline.kernels.convolution import convolution
from pipeline.kernels.operator import Operator, call


class Norm(NamedTuple):
    """Parameters of a batch norm, and its running statistics: (O,) each."""

    scale: jt.Var
    shift: jt.Var
    mean: jt.Var
    variance: jt.Var


def conv_norm_relu(
    x: jt.Var, weight: jt.Var, norm: Norm, *, stride: int, eps: float, momentum: float
) -> tuple[jt.Var, tuple[jt.Var, jt.Var]]:
    """ReLU(batch norm(convolution)), with statistics of this batch.

    Args:
        x: (B, C, H, W).
        weight: (O, C, k, k); zeros are put around x, k // 2 on each side.
        norm: its running statistics do not change.
        stride: of the convolution.
        eps: added to the variance.
        momentum: share of this batch in the new running statistics.

    Returns:
        (B, O, h, w), and running mean and variance (O,) moved towards this batch's, the biased variance; no
        gradient goes through them. ReLU makes 0 of what is no number.

    Raises:
        ValueError: the shapes do not fit.
    """
    _check("conv_norm_relu", x, weight, norm)
    chosen = fused_conv_norm_relu if _fused() else plain_conv_norm_relu
    return chosen(x, weight, norm, stride, eps, momentum)


def conv_known_norm_relu(x: jt.Var, weight: jt.Var, norm: Norm, *, stride: int, eps: float) -> jt.Var:
    """The same with the running statistics in place of this batch's: (B, O, h, w).

    Raises:
        ValueError: the shapes do not fit.
    """
    _check("conv_known_norm_relu", x, weight, norm)
    # It has no gradient.
    fused = _fused() and bool(jt.flags.no_grad)
    return (fused_conv_known_norm_relu if fused else plain_conv_known_norm_relu)(x, weight, norm, stride, eps)


def plain_conv_norm_relu(
    x: jt.Var, weight: jt.Var, norm: Norm, stride: int, eps: float, momentum: float
) -> tuple[jt.Var, tuple[jt.Var, jt.Var]]:
    y, mean, variance = batch_norm(_convolved(x, weight, stride), norm.scale, norm.shift, eps)
    pairs = (norm.mean, mean), (norm.variance, variance)
    return nn.relu(y), tuple(before + (found - before) * momentum for before, found in pairs)


def plain_conv_known_norm_relu(x: jt.Var, weight: jt.Var, norm: Norm, stride: int, eps: float) -> jt.Var:
    z, dims = _convolved(x, weight, stride), [0, 2, 3]
    factor = norm.scale / jt.sqrt(norm.variance + eps)
    shift = norm.shift - norm.mean * factor
    return nn.relu(z * factor.broadcast(z, dims) + shift.broadcast(z, dims))


def fused_conv_norm_relu(
    x: jt.Var, weight: jt.Var, norm: Norm, stride: int, eps: float, momentum: float
) -> tuple[jt.Var, tuple[jt.Var, jt.Var]]:
    operator = _ConvNormRelu([norm.mean, norm.variance], stride, eps, momentum)
    return operator(x, weight, norm.scale, norm.shift), tuple(operator.running)


def fused_conv_known_norm_relu(x: jt.Var, weight: jt.Var, norm: Norm, stride: int, eps: float) -> jt.Var:
    arguments = f'{_sizes(0, 1)}, data["eps"], {_places("in", 6)}, out0_p'
    data = {"stride": stride, "eps": eps}
    return call("conv_known_norm", arguments, [x, weight, *norm], _shape(x, weight, stride), data=data)


def _places(kind: str, count: int) -> str:
    return ", ".join(f"{kind}{index}_p" for index in range(count))


def _sizes(x: int, weight: int) -> str:
    """C++ of the sizes of a convolution whose inputs have these indices."""
    of_x = ", ".join(f"in{x}_shape{axis}" for axis in range(4))
    return f'{of_x}, in{weight}_shape0, in{weight}_shape2, (long)data["stride"]'


class _ConvNormRelu(Operator):
    """`running` holds the new statistics once it was called: Jittor finds no gradient for them there."""

    def __init__(self, running: list[jt.Var], stride: int, eps: float, momentum: float):
        super().__init__()
        self.running = running
        self._data = {"stride": stride, "eps": eps, "momentum": momentum}

    def execute(self, x: jt.Var, weight: jt.Var, scale: jt.Var, shift: jt.Var) -> jt.Var:
        channels, shape = weight.shape[0], _shape(x, weight, self._data["stride"])
        arguments = f'{_sizes(0, 1)}, data["eps"], data["momentum"], {_places("in", 6)}, {_places("out", 5)}'
        inputs, shapes = [x, weight, scale, shift, *self.running], [shape, shape, (channels, 2)]
        outputs = call("conv_norm", arguments, inputs, *shapes, (channels,), (channels,), data=self._data)
        self.saved, self.running = [x, weight, scale, *outputs[:3]], outputs[3:]
        return outputs[0]

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, weight, scale = self.saved[:3]
        shapes = [weight.shape, scale.shape, scale.shape]
        inner = self.input_mask[0] >= 0  # whether x needs a gradient
        last = "out3_p" if inner else "nullptr"
        arguments = f"{_sizes(1, 2)}, {_places('in', 7)}, {_places('out', 3)}, {last}"
        shapes += [x.shape] if inner else []
        of_weights = call("conv_norm_gradient", arguments, [out_grad, *self.saved], *shapes, data=self._data)
        return of_weights[3] if inner else None, *of_weights[:3]


def _fused() -> bool:
    return selection.fused_on_processor() and selection.fused_matmul()


def _check(name: str, x: jt.Var, weight: jt.Var, norm: Norm) -> None:
    channels = {tuple(array.shape) for array in norm}
    fits = x.ndim == 4 and weight.ndim == 4 and channels == {(weight.shape[0],)} and x.numel() > 0
    if not fits or weight.shape[1] != x.shape[1] or weight.shape[2] != weight.shape[3]:
        raise ValueError(
            f"{name}: x {tuple(x.shape)}, weight {tuple(weight.shape)}, norm {sorted(channels)}; "
            "expected (B, C, H, W), (O, C, k, k), (O,)"
        )


def _shape(x: jt.Var, weight: jt.Var, stride: int) -> tuple[int, int, int, int]:
    side = weight.shape[2]
    height, width = ((size + side // 2 * 2 - side) // stride + 1 for size in x.shape[2:])
    return x.shape[0], weight.shape[0], height, width


def _convolved(x: jt.Var, weight: jt.Var, stride: int) -> jt.Var:
    return convolution(x, weight, None, stride=stride, channels_first=True)
