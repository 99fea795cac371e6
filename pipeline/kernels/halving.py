"""Max pooling of 2 x 2 positions.

Jittor's own refuses maps of 2 x 2 and drops an odd last row.
"""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def max_halved(x: jt.Var) -> jt.Var:
    """The largest of each 2 x 2 positions: (B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), C).

    Of equal values the last one, row by row, gets the gradient.

    Raises:
        ValueError: x is no map.
    """
    if x.ndim != 4 or x.numel() == 0:
        raise ValueError(f"max_halved: x {tuple(x.shape)}; expected (B, H, W, C)")
    return (fused_max_halved if selection.fused_on_processor() else plain_max_halved)(x)


def plain_max_halved(x: jt.Var) -> jt.Var:
    batch, height, width, channels = x.shape
    if height % 2:
        x = jt.concat([x, x[:, -1:]], dim=1)
    if width % 2:
        x = jt.concat([x, x[:, :, -1:]], dim=2)
    pairs = x.reshape(batch, (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
    return jt.maximum(
        jt.maximum(pairs[:, :, 0, :, 0], pairs[:, :, 0, :, 1]),
        jt.maximum(pairs[:, :, 1, :, 0], pairs[:, :, 1, :, 1]),
    )


def fused_max_halved(x: jt.Var) -> jt.Var:
    return _MaxHalved()(x)


class _MaxHalved(Operator):
    def execute(self, x: jt.Var) -> jt.Var:
        self.saved = x
        batch, height, width, channels = x.shape
        shape = (batch, (height + 1) // 2, (width + 1) // 2, channels)
        return call("max_halved", f"{_sizes(0)}, in0_p, out0_p", [x], shape)

    def grad(self, out_grad: jt.Var) -> jt.Var:
        inputs = [out_grad, self.saved]
        return call("max_halved_gradient", f"{_sizes(1)}, in0_p, in1_p, out0_p", inputs, self.saved.shape)


def _sizes(x: int) -> str:
    """C++ of the sizes of the input with this index."""
    return ", ".join(f"in{x}_shape{axis}" for axis in range(4))
