"""Linear layers with ReLU behind one another, and predictions from the last of them, as one operator.

Shapes: R rows, weights (out, in), biases (out,).
"""

from collections.abc import Sequence

import jittor as jt
from jittor import nn

from pipeline.kernels import selection
from pipeline.kernels.dense import check_layers, linear
from pipeline.kernels.operator import Operator, array_of, call, places

Layer = tuple[jt.Var, jt.Var]  # weight and bias


def relu_layers(x: jt.Var, hidden: Sequence[Layer], heads: Sequence[Layer] = ()) -> list[jt.Var]:
    """Every head's output, from ReLU(linear(...)) of all hidden layers; without heads, the hidden values.

    Args:
        x: (R, C).
        hidden: layers behind one another; ReLU makes 0 of what is no number.
        heads: linear layers that all read the last hidden values.

    Returns:
        (R, .) of each head, or the last hidden values alone.

    Raises:
        ValueError: the shapes do not fit, or there is no layer.
    """
    if not len(hidden) + len(heads) or x.ndim != 2:
        raise ValueError(
            f"relu_layers: x {tuple(x.shape)}, {len(hidden)} and {len(heads)} layers; expected (R, C)"
        )
    for layers in [[*hidden, head] for head in heads] or [hidden]:
        check_layers(x, *layers)
    fused = selection.fused_on_processor() and selection.fused_matmul()
    return (fused_relu_layers if fused else plain_relu_layers)(x, hidden, heads)


def plain_relu_layers(x: jt.Var, hidden: Sequence[Layer], heads: Sequence[Layer]) -> list[jt.Var]:
    for layer in hidden:
        x = nn.relu(linear(x, *layer))
    return [linear(x, *head) for head in heads] or [x]


def fused_relu_layers(x: jt.Var, hidden: Sequence[Layer], heads: Sequence[Layer]) -> list[jt.Var]:
    weights, biases = zip(*hidden, *heads, strict=True)
    found = _ReluLayers(len(hidden))(x, *weights, *biases)
    return list(found) if isinstance(found, list | tuple) else [found]


class _ReluLayers(Operator):
    def __init__(self, num_hidden: int):
        super().__init__()
        self._num_hidden = num_hidden

    def execute(self, x: jt.Var, *layers: jt.Var) -> jt.Var | list[jt.Var]:
        count = len(layers) // 2
        weights = layers[:count]
        arguments = (
            f"{self._sizes(0, 1, count)}, in0_p, {places('const float', 'in', 1, count)}, "
            f"{places('const float', 'in', 1 + count, count)}, {places('float', 'out', 0, count)}"
        )
        shapes = [(x.shape[0], weight.shape[0]) for weight in weights]
        found = call("relu_layers", arguments, [x, *layers], *shapes)
        found = [found] if count == 1 else found
        hidden, heads = found[: self._num_hidden], found[self._num_hidden :]
        self.saved = [x, *hidden, *weights]
        self.shapes = [weight.shape for weight in weights] + [weight.shape[:1] for weight in weights]
        self.out_shapes = [each.shape for each in heads or hidden[-1:]]
        return hidden[-1] if not heads else heads[0] if len(heads) == 1 else heads

    def grad(self, *out_grads: jt.Var | None) -> tuple[jt.Var | None, ...]:
        given = [
            jt.zeros(shape) if grad is None else grad
            for grad, shape in zip(out_grads, self.out_shapes, strict=True)
        ]
        count, x = len(self.shapes) // 2, self.saved[0]
        at = len(given)  # the place of x
        inner = self.input_mask[0] >= 0  # whether x needs a gradient
        first = at + 1 + self._num_hidden  # the place of the first weight
        arguments = (
            f"{self._sizes(at, first, count)}, {places('const float', 'in', 0, at)}, in{at}_p, "
            f"{places('const float', 'in', at + 1, self._num_hidden)}, "
            f"{places('const float', 'in', first, count)}, {places('float', 'out', 0, count)}, "
            f"{places('float', 'out', count, count)}, " + (f"out{2 * count}_p" if inner else "nullptr")
        )
        shapes = self.shapes + ([x.shape] if inner else [])
        found = call("relu_layers_gradient", arguments, [*given, *self.saved], *shapes)
        return found[2 * count] if inner else None, *found[: 2 * count]

    def _sizes(self, x: int, first: int, count: int) -> str:
        """C++ of the first arguments, from the places of x and of the first weight."""
        dims = array_of("long", (f"in{index}_shape0" for index in range(first, first + count)))
        return f"in{x}_shape0, in{x}_shape1, {self._num_hidden}, {count - self._num_hidden}, {dims}"
