"""Convolution with a bias, and with ReLU, of several maps that are behind one another in one table.

Shapes: maps of B images, h x w positions and C channels; the table (R, C) has their positions as rows, in the
order map, image, row, column. O channels of the result, k x k filters.
"""

import math
from collections.abc import Sequence

import jittor as jt
import numpy as np
from jittor import nn

from pipeline.kernels import selection
from pipeline.kernels.convolution import convolution
from pipeline.kernels.operator import Operator, call, places

Sizes = Sequence[tuple[int, int, int]]  # B, h, w of each map


def biased_conv(
    x: jt.Var, sizes: Sizes, weights: Sequence[jt.Var], biases: Sequence[jt.Var], *, relu: bool
) -> jt.Var:
    """Convolution of each map at stride 1, with k // 2 zeros around it.

    Args:
        x: (R, C).
        sizes: B, h, w of each map; the sum of their products is R.
        weights: (O, C, k, k) of each map, or one of all; k is odd.
        biases: (O,) likewise.
        relu: whether to put out the ReLU, which makes 0 of what is no number.

    Returns:
        (R, O).

    Raises:
        ValueError: the shapes do not fit.
    """
    _check(x, sizes, weights, biases)
    fused = selection.fused_on_processor() and selection.fused_matmul()
    return (fused_biased_conv if fused else plain_biased_conv)(x, sizes, weights, biases, relu)


def plain_biased_conv(
    x: jt.Var, sizes: Sizes, weights: Sequence[jt.Var], biases: Sequence[jt.Var], relu: bool
) -> jt.Var:
    parts = _parts(x, sizes)
    layers = list(zip(weights, biases, strict=True)) * (len(sizes) if len(weights) == 1 else 1)
    found = []
    for part, size, (weight, bias) in zip(parts, sizes, layers, strict=True):
        y = convolution(part.reshape(*size, x.shape[1]), weight, bias)
        found.append((nn.relu(y) if relu else y).reshape(-1, weight.shape[0]))
    return found[0] if len(found) == 1 else jt.concat(found, dim=0)


def fused_biased_conv(
    x: jt.Var, sizes: Sizes, weights: Sequence[jt.Var], biases: Sequence[jt.Var], relu: bool
) -> jt.Var:
    of_maps = jt.array(np.array(sizes, np.int32)).stop_grad()
    return _BiasedConv(len(weights), relu)(x, of_maps, *weights, *biases)


def _parts(x: jt.Var, sizes: Sizes) -> Sequence[jt.Var]:
    return [x] if len(sizes) == 1 else _Parts()(x, [*map(math.prod, sizes)])


class _Parts(Operator):
    """Rows of each map. The gradient is one table; Jittor's own is a sum of as many as there are maps."""

    def execute(self, x: jt.Var, counts: list[int]) -> tuple[jt.Var, ...]:
        self.counts, self.channels = counts, x.shape[1]
        ends = np.cumsum(counts).tolist()
        return tuple(x[end - count : end] for end, count in zip(ends, counts, strict=True))

    def grad(self, *grads: jt.Var | None) -> tuple[jt.Var, None]:
        found = [
            jt.zeros((count, self.channels)) if grad is None else grad
            for grad, count in zip(grads, self.counts, strict=True)
        ]
        return jt.concat(found, dim=0), None


class _BiasedConv(Operator):
    def __init__(self, num_layers: int, relu: bool):
        super().__init__()
        self._num_layers, self._data = num_layers, {"relu": float(relu)}

    def execute(self, x: jt.Var, sizes: jt.Var, *layers: jt.Var) -> jt.Var:
        count, weight = self._num_layers, layers[0]
        weights, biases = (places("const float", "in", first, count) for first in (2, 2 + count))
        options = f'{count == 1:d}, (long)data["relu"]'
        arguments = f"{_sizes(1, 0, 2)}, {options}, in0_p, {weights}, {biases}, out0_p"
        y = call(
            "biased_conv", arguments, [x, sizes, *layers], (x.shape[0], weight.shape[0]), data=self._data
        )
        self.saved = [x, sizes, y, *layers[:count]]
        return y

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        x, _, _, *weights = self.saved
        count = self._num_layers
        shapes = [weight.shape for weight in weights] + [weight.shape[:1] for weight in weights]
        inner = self.input_mask[0] >= 0  # whether x needs a gradient
        arguments = (
            f'{_sizes(2, 1, 4)}, {count == 1:d}, (long)data["relu"], in0_p, in1_p, in3_p, '
            f"{places('const float', 'in', 4, count)}, {places('float', 'out', 0, count)}, "
            f"{places('float', 'out', count, count)}, " + (f"out{2 * count}_p" if inner else "nullptr")
        )
        shapes += [x.shape] if inner else []
        found = call("biased_conv_gradient", arguments, [out_grad, *self.saved], *shapes, data=self._data)
        return found[2 * count] if inner else None, None, *found[: 2 * count]


def _sizes(sizes: int, x: int, weight: int) -> str:
    """C++ of the first arguments, from the places of these inputs."""
    layer = f"in{weight}_shape0, in{weight}_shape2"
    return f"in{sizes}_shape0, in{sizes}_p, in{x}_shape1, {layer}"


def _check(x: jt.Var, sizes: Sizes, weights: Sequence[jt.Var], biases: Sequence[jt.Var]) -> None:
    of_weights, of_biases = ([tuple(each.shape) for each in given] for given in (weights, biases))
    first = of_weights[0] if of_weights else ()
    fits = x.ndim == 2 and len(first) == 4 and len(of_weights) in (1, len(sizes)) and x.numel() > 0
    fits = fits and set(of_weights) == {first} and of_biases == [first[:1]] * len(of_weights)
    rows = sum(map(math.prod, sizes))
    if not fits or rows != x.shape[0] or first[1] != x.shape[1] or first[2] != first[3] or not first[2] % 2:
        found = f"x {tuple(x.shape)}, maps {list(sizes)}, weights {of_weights}, biases {of_biases}"
        raise ValueError(f"biased_conv: {found}; expected (R, C), R positions, (O, C, k, k), (O,)")
