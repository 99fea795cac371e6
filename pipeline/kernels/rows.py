"""Gathers rows of a matrix."""

import jittor as jt

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
