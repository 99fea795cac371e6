import numpy as np
import pytest

from pipeline.doctor.answers.references import resample


def banded(rng, out, size):
    """A random matrix (out, size) with some values beside one another in each row, as of a resize."""
    matrix = np.zeros((out, size))
    for row in matrix:
        first = rng.integers(size)
        row[first : first + rng.integers(1, 4)] = rng.normal()
    return matrix


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 1, 1, 1), (3, 2)), ((2, 3, 5, 7), (9, 21)), ((2, 5, 12, 40), (3, 17))]
)
def test_any_banded_matrices(kernels, check, rng, shape, size):
    rows, columns = banded(rng, size[0], shape[2]), banded(rng, size[1], shape[3])
    found = [matrix.astype(np.float32) for matrix in (rows, columns)]
    check(lambda x: kernels.resample(x, *found), resample(*found), [rng.normal(size=shape)])


def test_full_matrices(kernels, check, rng):
    rows, columns = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 6), (8, 5)))
    check(
        lambda x: kernels.resample(x, rows, columns), resample(rows, columns), [rng.normal(size=(2, 2, 6, 5))]
    )


def test_a_row_of_zeros(kernels, check, rng):
    rows, columns = np.zeros((2, 3), np.float32), np.eye(4, dtype=np.float32)
    rows[1, 2] = 1
    check(
        lambda x: kernels.resample(x, rows, columns), resample(rows, columns), [rng.normal(size=(1, 2, 3, 4))]
    )


def test_what_does_not_fit(kernels, jt):
    for rows, columns in ((np.ones((2, 3)), np.ones((2, 5))), (np.ones((2, 4)), np.ones((0, 5)))):
        with pytest.raises(ValueError, match="resample: x "):
            kernels.resample(jt.ones((1, 2, 4, 5)), rows.astype("f4"), columns.astype("f4"))
