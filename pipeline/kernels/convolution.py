"""Convolution, whose sums have a fixed order on a device.

Shapes: B images, H x W positions, C and O channels, k x k filters.
"""

import jittor as jt
from jittor import nn

from pipeline.kernels import selection
from pipeline.kernels.channel_sums import add_to_channels
from pipeline.kernels.dense import linear
from pipeline.kernels.operator import Operator, call

# A device's products load rows of at least 16 bytes at a time; a filter of colours would be many narrow ones.
_FEWEST_CHANNELS = 8
_MOST_STRIDE = 4
_MOST_NUMBERS = 2**26  # of images that are multiplied at a time, with the zeros around them


def convolution(
    x: jt.Var, weight: jt.Var, bias: jt.Var | None, *, stride: int = 1, channels_first: bool = False
) -> jt.Var:
    """Convolution with k // 2 zeros around the maps.

    On a device the taps of the filters are products of cuBLASLt, added in turn; Jittor's own kernels add by
    atomics, and those of cuDNN may. Images of fewer than 8 channels are left to these.

    Args:
        x: (B, H, W, C), or (B, C, H, W).
        weight: (O, C, k, k), k odd.
        bias: (O,) or None.
        stride: of rows and columns.
        channels_first: order of x and of the result.

    Returns:
        (B, h, w, O), or (B, O, h, w), h = ceil(H / stride), w = ceil(W / stride).

    Raises:
        ValueError: the shapes do not fit.
    """
    _check(x, weight, bias, channels_first)
    ours = selection.on_device() and weight.shape[1] >= _FEWEST_CHANNELS and stride <= _MOST_STRIDE
    if ours == channels_first:  # each has the other order
        x = x.permute(0, 2, 3, 1) if channels_first else x.permute(0, 3, 1, 2)
    y = (device_convolution if ours else plain_convolution)(x, weight, bias, stride)
    if ours == channels_first:
        y = y.permute(0, 3, 1, 2) if channels_first else y.permute(0, 2, 3, 1)
    return y


def plain_convolution(x: jt.Var, weight: jt.Var, bias: jt.Var | None, stride: int) -> jt.Var:
    """Channels first."""
    y = nn.conv2d(x, weight, None, stride, weight.shape[2] // 2)
    return y if bias is None else add_to_channels(y, bias)


def device_convolution(x: jt.Var, weight: jt.Var, bias: jt.Var | None, stride: int) -> jt.Var:
    """Channels last."""
    if weight.shape[2] == 1 and stride == 1:
        return linear(x, weight.reshape(weight.shape[:2]), bias)
    given = [x, weight] if bias is None else [x, weight, bias]
    return _Convolution(stride)(*given)


class _Convolution(Operator):
    def __init__(self, stride: int):
        super().__init__()
        self._stride = stride

    def execute(self, x: jt.Var, weight: jt.Var, *bias: jt.Var) -> jt.Var:
        batch, height, width, channels = x.shape
        out, _, side, _ = weight.shape
        numbers = (height + side // 2) * (width + side // 2) * max(channels, out)  # of one image
        self._data = {"stride": self._stride, "together": max(1, min(batch, _MOST_NUMBERS // numbers))}
        self.saved, self._biased = (x, weight.permute(2, 3, 0, 1)), bool(bias)
        of_bias = "in2_p" if bias else "nullptr"
        arguments = f"{_sizes(0, 1)}, in0_p, in1_p, {of_bias}, out0_p"
        rows, columns = (-(-size // self._stride) for size in (height, width))
        inputs, shape = [*self.saved, *bias], (batch, rows, columns, out)
        return call("convolution", arguments, inputs, shape, data=self._data)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, filters = self.saved
        inner = self.input_mask[0] >= 0  # whether x needs a gradient
        shapes = [filters.shape]
        shapes += [filters.shape[2:3]] if self._biased else []
        shapes += [x.shape] if inner else []
        x_grad = f"out{len(shapes) - 1}_p" if inner else "nullptr"
        bias_grad = "out1_p" if self._biased else "nullptr"
        arguments = f"{_sizes(1, 2)}, in0_p, in1_p, in2_p, {x_grad}, out0_p, {bias_grad}"
        found = call("convolution_gradient", arguments, [out_grad, x, filters], *shapes, data=self._data)
        found = [found] if len(shapes) == 1 else list(found)
        weight_grad = found[0].permute(2, 3, 0, 1)
        return found[-1] if inner else None, weight_grad, *found[1 : 1 + self._biased]


def _sizes(x: int, filters: int) -> str:
    """C++ of the sizes, from the places of x and of the filters (k, k, O, C)."""
    of_x = ", ".join(f"in{x}_shape{axis}" for axis in range(3))
    of_filters = f"in{filters}_shape3, in{filters}_shape2, in{filters}_shape0"
    return f'{of_x}, {of_filters}, (long)data["stride"], (long)data["together"]'


def _check(x: jt.Var, weight: jt.Var, bias: jt.Var | None, channels_first: bool) -> None:
    shapes = [None if each is None else tuple(each.shape) for each in (x, weight, bias)]
    fits = x.ndim == 4 and weight.ndim == 4 and x.numel() > 0 and weight.numel() > 0
    fits = fits and shapes[2] in (None, shapes[1][:1]) and shapes[1][2] == shapes[1][3]
    if not fits or shapes[0][1 if channels_first else 3] != shapes[1][1] or not shapes[1][2] % 2:
        found, order = ", ".join(map(str, shapes)), "(B, C, H, W)" if channels_first else "(B, H, W, C)"
        raise ValueError(f"convolution: {found}; expected {order}, (O, C, k, k) with odd k, (O,) or None")
