"""Multiplies feature maps by a matrix along each axis: bilinear resize, adaptive pooling, and gradients.

Shapes: B images, C channels, H x W positions before and h x w after.
"""

from collections.abc import Sequence

import jittor as jt
import numpy as np

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, array_of, call, places

Matrices = tuple[np.ndarray, np.ndarray]  # of the rows and of the columns


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
    _check("resample", x, rows, columns)
    # On a device cuBLAS computes the products.
    return (fused_resample if selection.fused_on_processor() else plain_resample)(x, rows, columns)


def stack_resampled(maps: Sequence[jt.Var], matrices: Sequence[Matrices | None]) -> jt.Var:
    """The channels of all maps, each resampled.

    Args:
        maps: (B, C_i, H_i, W_i) each; the first has the size (h, w) of the result.
        matrices: of each map, rows (h, H_i) and columns (w, W_i), or None if it has the size of the result.

    Returns:
        (B, sum of C_i, h, w).

    Raises:
        ValueError: the shapes do not fit.
    """
    batch, _, height, width = maps[0].shape
    for x, pair in zip(maps, matrices, strict=True):
        if pair is not None:
            _check("stack_resampled", x, *pair)
        size = x.shape[2:] if pair is None else [len(matrix) for matrix in pair]
        if x.shape[0] != batch or tuple(size) != (height, width):
            found = f"{tuple(x.shape)} resampled to {tuple(size)}"
            raise ValueError(f"stack_resampled: {found}; expected ({batch}, C, {height}, {width})")
    # A map of the result's size is copied, so none may have matrices.
    known = all(
        pair is None or x.shape[2:] != maps[0].shape[2:] for x, pair in zip(maps, matrices, strict=True)
    )
    fused = known and selection.fused_on_processor()
    return (fused_stack_resampled if fused else plain_stack_resampled)(maps, matrices)


def _check(name: str, x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> None:
    fits = x.ndim == 4 and (rows.shape[1:], columns.shape[1:]) == ((x.shape[2],), (x.shape[3],))
    if not fits or min(x.numel(), rows.size, columns.size) == 0:
        found = f"x {tuple(x.shape)}, rows {rows.shape}, columns {columns.shape}"
        raise ValueError(f"{name}: {found}; expected (B, C, H, W), (h, H), (w, W)")


def plain_resample(x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> jt.Var:
    return _products(x, rows, columns)


def _products(x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> jt.Var:
    """What both plain operators compute; neither calls the other, so a fault in one has its name alone."""
    batch, channels, height, width = x.shape
    if not _is_identity(columns):
        x = jt.matmul(x.reshape(-1, width), jt.array(columns.T).stop_grad())
        x = x.reshape(batch, channels, height, len(columns))
    if not _is_identity(rows):
        # As one product of two matrices: many small ones, one per channel, are slower than the transposes.
        x = jt.matmul(x.permute(0, 1, 3, 2).reshape(-1, height), jt.array(rows.T).stop_grad())
        x = x.reshape(batch, channels, len(columns), len(rows)).permute(0, 1, 3, 2)
    return x


def plain_stack_resampled(maps: Sequence[jt.Var], matrices: Sequence[Matrices | None]) -> jt.Var:
    pairs = zip(maps, matrices, strict=True)
    return jt.concat([x if pair is None else _products(x, *pair) for x, pair in pairs], dim=1)


def fused_resample(x: jt.Var, rows: np.ndarray, columns: np.ndarray) -> jt.Var:
    return _Resample()(x, jt.array(rows).stop_grad(), jt.array(columns).stop_grad())


def fused_stack_resampled(maps: Sequence[jt.Var], matrices: Sequence[Matrices | None]) -> jt.Var:
    # One array of all; never empty, which would be no array for Jittor.
    parts = [matrix.ravel() for pair in matrices if pair is not None for matrix in pair]
    flat = np.concatenate([*parts, np.zeros(1)]).astype(np.float32)
    return _StackResampled()(*maps, jt.array(flat).stop_grad())


class _StackResampled(Operator):
    """Inputs: the maps, and all matrices in one array."""

    def execute(self, *inputs: jt.Var) -> jt.Var:
        *maps, self.matrices = inputs
        self.shapes = [x.shape for x in maps]
        count, batch = len(maps), maps[0].shape[0]
        size = "in0_shape2, in0_shape3"
        pointers = places("const float", "in", 0, count)
        arguments = f"in0_shape0, {count}, {_sizes('in', count)}, {size}, {pointers}, in{count}_p, out0_p"
        shape = (batch, sum(x.shape[1] for x in maps), *maps[0].shape[2:])
        return call("stack_resampled", arguments, list(inputs), shape)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        count = len(self.shapes)
        pointers = places("float", "out", 0, count)
        size = "in0_shape2, in0_shape3"
        arguments = f"in0_shape0, {count}, {_sizes('out', count)}, {size}, in0_p, in1_p, {pointers}"
        inputs = [out_grad, self.matrices]
        gradients = call("stack_resampled_gradient", arguments, inputs, *self.shapes)
        return *([gradients] if count == 1 else gradients), None


def _sizes(kind: str, count: int) -> str:
    """C++ of channels, height and width of the first `count` inputs or outputs."""
    return array_of("long", (f"{kind}{i}_shape{axis}" for i in range(count) for axis in (1, 2, 3)))


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
