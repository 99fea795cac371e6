"""Multiplies feature maps by a matrix along each axis: bilinear resize, adaptive pooling, and gradients.

Shapes: B images, C channels, H x W positions before and h x w after.
"""

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def resample(x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> jt.Var:
    """rows x columns^T for every map.

    The fused kernel reads only the columns between the first and the last non-zero one of each row of the
    matrices. The gradient goes to `x` only.

    Args:
        x: (B, C, H, W) float32.
        rows: (h, H) float32.
        columns: (w, W) float32.

    Returns:
        (B, C, h, w).

    Raises:
        ValueError: the shapes do not fit.
    """
    fits = x.ndim == 4 and (rows.shape[1:], columns.shape[1:]) == ((x.shape[2],), (x.shape[3],))
    if not fits or min(x.numel(), rows.size, columns.size) == 0:
        found = f"x {tuple(x.shape)}, rows {rows.shape}, columns {columns.shape}"
        raise ValueError(f"resample: {found}; expected (B, C, H, W), (h, H), (w, W)")
    # On a device cuBLAS computes the products.
    return (fused_resample if selection.fused_on_processor() else plain_resample)(x, rows, columns)


def plain_resample(x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> jt.Var:
    batch, channels, height, width = x.shape
    if not _is_identity(columns):
        x = jt.matmul(x.reshape(-1, width), jt.array(columns.T).stop_grad())
        x = x.reshape(batch, channels, height, len(columns))
    if not _is_identity(rows):
        # As one product of two matrices: many small ones, one per channel, are slower than the transposes.
        x = jt.matmul(x.permute(0, 1, 3, 2).reshape(-1, height), jt.array(rows.T).stop_grad())
        x = x.reshape(batch, channels, len(columns), len(rows)).permute(0, 1, 3, 2)
    return x


def fused_resample(x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> jt.Var:
    return _Resample()(x, jt.array(rows).stop_grad(), jt.array(columns).stop_grad())


class _Resample(Operator):
    def execute(self, x: jt.Var, rows: jt.Var, columns: jt.Var) -> jt.Var:
        self.matrices, self.shape = [rows, columns], x.shape
        sizes = "in0_shape0 * in0_shape1, in0_shape2, in0_shape3, out0_shape2, out0_shape3"
        shape = (*x.shape[:2], rows.shape[0], columns.shape[0])
        return call("resample", f"{sizes}, in0_p, in1_p, in2_p, out0_p", [x, rows, columns], shape)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        sizes = "out0_shape0 * out0_shape1, out0_shape2, out0_shape3, in0_shape2, in0_shape3"
        inputs = [out_grad, *self.matrices]
        x_grad = call("resample_gradient", f"{sizes}, in0_p, in1_p, in2_p, out0_p", inputs, self.shape)
        return x_grad, None, None


def _is_identity(matrix: np.ndarray) -> bool:
    return matrix.shape[0] == matrix.shape[1] and np.array_equal(
        matrix, np.eye(len(matrix), dtype=np.float32)
    )
