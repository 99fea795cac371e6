"""RoIAlign's pooling: each bin of a box is a weighted sum of cells of a feature map.

Shapes: n boxes with s x s bins, C channels, M cells; each bin reads t cells along each axis.
"""

import jittor as jt

from pipeline.kernels import selection
from pipeline.kernels.operator import Operator, call


def pool_cells(
    table: jt.Var,
    rows: jt.Var,
    row_weights: jt.Var,
    columns: jt.Var,
    column_weights: jt.Var,
    *,
    channels_first: bool = False,
) -> jt.Var:
    """Weighted sums of rows of the table.

    Args:
        table: (M, C) float32; takes a gradient.
        rows, columns: (n, s, t) int32, n > 0; bin (i, j) of box k reads the cells rows[k, i] + columns[k, j].
        row_weights, column_weights: (n, s, t) float32; the weight of a cell is their product.
        channels_first: order of the result.

    Returns:
        (n, s, s, C) float32, or (n, C, s, s).

    Raises:
        ValueError: the shapes do not fit.
    """
    shapes = {tuple(x.shape) for x in (rows, row_weights, columns, column_weights)}
    if table.ndim != 2 or len(shapes) != 1 or rows.ndim != 3 or table.numel() == 0 or rows.numel() == 0:
        raise ValueError(f"pool_cells: table {tuple(table.shape)}, taps {shapes}; expected (M, C), (n, s, t)")
    constants = [x.stop_grad() for x in (rows, row_weights, columns, column_weights)]
    if selection.fused_on_processor():
        return fused_pool_cells(table, *constants, channels_first=channels_first)
    pooled = (device_pool_cells if selection.on_device() else plain_pool_cells)(table, *constants)
    return pooled.permute(0, 3, 1, 2) if channels_first else pooled


def plain_pool_cells(
    table: jt.Var, rows: jt.Var, row_weights: jt.Var, columns: jt.Var, column_weights: jt.Var
) -> jt.Var:
    num_boxes, bins, taps = rows.shape
    shape = [num_boxes, bins, bins, taps, taps, table.shape[1]]
    picked = table.reindex(shape, ["@e0(i0,i1,i3)+@e1(i0,i2,i4)", "i5"], extras=[rows, columns])
    weights = row_weights.reshape(num_boxes, bins, 1, taps, 1) * column_weights.reshape(
        num_boxes, 1, bins, 1, taps
    )
    return (picked * weights.unsqueeze(-1)).sum(dims=(3, 4))


def fused_pool_cells(table: jt.Var, *taps: jt.Var, channels_first: bool) -> jt.Var:
    return _PoolCells(' (long)data["channels_first"],', channels_first)(table, *taps)


def device_pool_cells(table: jt.Var, *taps: jt.Var) -> jt.Var:
    return _PoolCells("", channels_first=False)(table, *taps)


_TAPS = "in1_p, in2_p, in3_p, in4_p"


class _PoolCells(Operator):
    """`order`: C++ of the argument that chooses the order, which the device's kernel does not take."""

    def __init__(self, order: str, channels_first: bool):
        super().__init__()
        self._order, self._data = order, {"channels_first": float(channels_first)}

    def execute(self, table: jt.Var, *taps: jt.Var) -> jt.Var:
        self.table_shape, self.taps = table.shape, taps
        num_boxes, bins, _ = taps[0].shape
        sizes = f"in0_shape0, in0_shape1, in1_shape0, in1_shape1, in1_shape2,{self._order}"
        channels = table.shape[1]
        order = (channels, bins, bins) if self._data["channels_first"] else (bins, bins, channels)
        arguments, shape = f"{sizes} in0_p, {_TAPS}, out0_p", (num_boxes, *order)
        return call("pool_cells", arguments, [table, *taps], shape, data=self._data)

    def grad(self, out_grad: jt.Var) -> tuple[jt.Var | None, ...]:
        sizes = f"out0_shape0, out0_shape1, in1_shape0, in1_shape1, in1_shape2,{self._order}"
        arguments, inputs = f"{sizes} in0_p, {_TAPS}, out0_p", [out_grad, *self.taps]
        table_grad = call("pool_cells_gradient", arguments, inputs, self.table_shape, data=self._data)
        return table_grad, *[None] * len(self.taps)
