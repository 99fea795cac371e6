"""The mean over the positions of a map, or over rows."""

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call
from pipeline.kernels.rows import fused_gather_rows


def mean_positions(x: jt.Var) -> jt.Var:
    """x (B, N, C) -> (B, C), the mean over N.

    Computed as sum over count: Jittor's own mean divides before it adds, and drifts in float32; and its sums
    over many rows have no fixed order on a device.

    Raises:
        ValueError: x has another number of dimensions, or is empty.
    """
    if x.ndim != 3 or x.numel() == 0:
        raise ValueError(f"mean_positions: x {tuple(x.shape)}; expected (B, N, C)")
    if not selection.fused():
        return x.sum(dim=1) / x.shape[1]
    return (_MeanPositions if selection.on_device() else _MeanOnProcessor)()(x)


class _MeanOnProcessor(Operator):
    """By operators that a training has compiled for other things: none is fused with what follows it."""

    def execute(self, x: jt.Var) -> jt.Var:
        self.shape = x.shape
        return (x.sum(dim=1) / x.shape[1]).stop_fuse()

    def grad(self, out_grad: jt.Var) -> jt.Var:
        images, positions, _ = self.shape
        image = np.repeat(np.arange(images, dtype=np.int32), positions)
        return fused_gather_rows(out_grad / positions, jt.array(image)).reshape(self.shape)


class _MeanPositions(Operator):
    def execute(self, x: jt.Var) -> jt.Var:
        self.shape = x.shape
        arguments = "in0_shape0, in0_shape1, in0_shape2, in0_p, out0_p"
        return call("mean_positions", arguments, [x], (x.shape[0], x.shape[2]))

    def grad(self, out_grad: jt.Var) -> jt.Var:
        arguments = "out0_shape0, out0_shape1, out0_shape2, in0_p, out0_p"
        return call("mean_positions_gradient", arguments, [out_grad], self.shape)
