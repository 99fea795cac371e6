"""Gathers rows of a matrix, and the last ones of each of several."""

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def gather_rows(x: jt.Var, rows: jt.Var) -> jt.Var:
    """x (M, C), rows (P,) int32 -> x[rows] (P, C); the gradient of a row picked several times is the sum.

    The fused kernel raises RuntimeError when it runs if a row is outside 0..M-1; the plain twin does not
    check.

    Raises:
        ValueError: the shapes or types do not fit.
    """
    if x.ndim != 2 or rows.ndim != 1 or rows.dtype != "int32" or x.numel() == 0 or rows.numel() == 0:
        found = f"x {tuple(x.shape)}, rows {rows.dtype} {tuple(rows.shape)}"
        raise ValueError(f"gather_rows: {found}; expected (M, C), int32 (P,)")
    return (fused_gather_rows if selection.fused() else plain_gather_rows)(x, rows)


def rows_after(x: jt.Var, count: int) -> jt.Var:
    """x (B, M, C) -> x[:, count:] (B, M - count, C).

    The fused one gathers, as other parts of a training do: a slice and its gradient would be three further
    operators that Jittor has to compile.

    Raises:
        ValueError: x has another number of dimensions, or no rows are left.
    """
    if x.ndim != 3 or not 0 <= count < x.shape[1] or x.numel() == 0:
        raise ValueError(f"rows_after: x {tuple(x.shape)}, count {count}; expected (B, M, C), 0 <= count < M")
    if selection.on_device() or not selection.fused():
        return x[:, count:]
    batch, num_rows, channels = x.shape
    rows = np.arange(batch * num_rows, dtype=np.int32).reshape(batch, num_rows)[:, count:]
    picked = fused_gather_rows(x.reshape(-1, channels), jt.array(rows.ravel()))
    return picked.reshape(batch, num_rows - count, channels)


def plain_gather_rows(x: jt.Var, rows: jt.Var) -> jt.Var:
    return x[rows]


def fused_gather_rows(x: jt.Var, rows: jt.Var) -> jt.Var:
    return _GatherRows()(x, rows.stop_grad())


class _GatherRows(Operator):
    def execute(self, x: jt.Var, rows: jt.Var) -> jt.Var:
        self.rows, self.shape = rows, x.shape
        arguments = "in0_shape0, in0_shape1, in1_shape0, in0_p, in1_p, out0_p"
        return call("gather_rows", arguments, [x, rows], (rows.shape[0], x.shape[1]))

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var, None]:
        arguments = "out0_shape0, out0_shape1, in1_shape0, in0_p, in1_p, out0_p"
        return call("gather_rows_gradient", arguments, [out_grad, self.rows], self.shape), None
