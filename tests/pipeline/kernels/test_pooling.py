import numpy as np
import pytest

from pipeline.doctor.answers.references import pool_cells


def taps_of(rng, num_boxes, bins, taps, num_rows, num_columns):
    """Random cells, some of them several times in a bin, and weights with zeros among them."""
    rows = rng.integers(num_rows, size=(num_boxes, bins, taps)) * num_columns
    columns = rng.integers(num_columns, size=(num_boxes, bins, taps))
    weights = [rng.random(rows.shape) * (rng.random(rows.shape) < 0.8) for _ in range(2)]
    return rows.astype(np.int32), weights[0], columns.astype(np.int32), weights[1]


@pytest.mark.parametrize(
    ("num_boxes", "bins", "taps", "channels"), [(1, 1, 1, 1), (3, 2, 4, 17), (2, 3, 4, 64), (2, 2, 2, 100)]
)
@pytest.mark.parametrize("channels_first", [False, True])
def test_pool_cells(kernels, check, jt, rng, num_boxes, bins, taps, channels, channels_first):
    rows, row_weights, columns, column_weights = taps_of(rng, num_boxes, bins, taps, 3, 5)

    constants = [jt.array(x) for x in (rows, row_weights.astype("f4"), columns, column_weights.astype("f4"))]
    oracle = pool_cells(rows, row_weights, columns, column_weights)

    def ordered(table):
        return oracle(table).transpose(0, 3, 1, 2) if channels_first else oracle(table)

    def operator(table):
        return kernels.pool_cells(table, *constants, channels_first=channels_first)

    check(operator, ordered, [rng.normal(size=(15, channels))])


def test_sums_do_not_depend_on_the_number_of_threads(jt, rng):
    from pipeline import kernels
    from pipeline.runtime.start_jittor import start

    if kernels.current() != "fused":
        pytest.skip("no fused kernels here")
    rows, row_weights, columns, column_weights = taps_of(rng, 40, 7, 4, 6, 6)
    arrays = (rows, row_weights.astype("f4"), columns, column_weights.astype("f4"))
    table = rng.normal(size=(36, 48)).astype(np.float32)
    found = []
    for threads in (1, 2):
        start("cpu", threads)
        variable = jt.array(table)
        pooled = kernels.pool_cells(variable, *map(jt.array, arrays))
        gradient = jt.grad((pooled * pooled).sum(), variable)
        found.append((pooled.numpy().copy(), gradient.numpy().copy()))
    start("cpu")
    for one, two in zip(*found, strict=True):
        assert np.array_equal(one, two)


def test_a_cell_that_does_not_exist(jt):
    from pipeline import kernels

    if kernels.current() != "fused":
        pytest.skip("the plain twin cannot tell")
    cells, weights = jt.array(np.array([[[4]]], np.int32)), jt.ones((1, 1, 1))
    with pytest.raises(RuntimeError, match="box 0 reads cells 8 to 8 of 5"):
        kernels.pool_cells(jt.ones((5, 2)), cells, weights, cells, weights).sync()


def test_what_does_not_fit(kernels, jt):
    cells, weights = jt.array(np.zeros((1, 1, 1), np.int32)), jt.ones((1, 1, 1))
    with pytest.raises(ValueError, match="pool_cells: "):
        kernels.pool_cells(jt.ones(3), cells, weights, cells, weights)
    with pytest.raises(ValueError, match="pool_cells: "):
        kernels.pool_cells(jt.ones((5, 2)), cells, weights, cells, jt.ones((1, 1, 2)))
