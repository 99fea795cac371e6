import numpy as np
import pytest


@pytest.mark.parametrize(
    ("num_rows", "channels", "rows"), [(1, 1, [0]), (7, 17, [3, 3, 0, 6, 3]), (100, 48, range(99, 0, -7))]
)
def test_gather_rows(kernels, check, jt, rng, num_rows, channels, rows):
    rows = np.array(rows, dtype=np.int32)
    check(
        lambda x: kernels.gather_rows(x, jt.array(rows)),
        lambda x: x[rows],
        [rng.normal(size=(num_rows, channels))],
    )


@pytest.mark.parametrize(("shape", "count"), [((2, 5, 3), 1), ((1, 1, 4), 0), ((3, 17, 6), 5)])
def test_rows_after(kernels, check, rng, shape, count):
    check(lambda x: kernels.rows_after(x, count), lambda x: x[:, count:], [rng.normal(size=shape)])


def test_a_row_that_does_not_exist(jt):
    from pipeline import kernels

    if kernels.current() != "fused":
        pytest.skip("the plain twin cannot tell")
    with pytest.raises(RuntimeError, match="row 5 of a matrix of 5 rows"):
        kernels.gather_rows(jt.ones((5, 2)), jt.array(np.array([5], np.int32))).sync()


def test_what_does_not_fit(kernels, jt):
    with pytest.raises(ValueError, match="gather_rows: "):
        kernels.gather_rows(jt.ones((5, 2)), jt.ones(3))


@pytest.mark.parametrize(("shape", "count"), [((5, 2), 1), ((2, 5, 3), 5), ((2, 5, 3), -1), ((0, 5, 3), 1)])
def test_rows_after_that_are_not_there(kernels, jt, shape, count):
    with pytest.raises(ValueError, match="rows_after: x"):
        kernels.rows_after(jt.zeros(shape), count)
