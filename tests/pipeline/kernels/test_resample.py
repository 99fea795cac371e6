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


@pytest.mark.parametrize(
    "sizes", [[(5, 7), (2, 3), (5, 7), (9, 4)], [(1, 1)], [(4, 4), (4, 3)], [(2, 40), (1, 20)]]
)
def test_stacked(kernels, check, rng, sizes):
    size = sizes[0]
    pairs = [
        None if old == size else tuple(banded(rng, size[axis], old[axis]) for axis in (0, 1)) for old in sizes
    ]
    found = [pair and tuple(matrix.astype(np.float32) for matrix in pair) for pair in pairs]

    def oracle(*maps):
        each = zip(maps, found, strict=True)
        return np.concatenate([x if pair is None else resample(*pair)(x) for x, pair in each], axis=1)

    maps = [rng.normal(size=(3, 2 + index, *old)) for index, old in enumerate(sizes)]
    check(lambda *given: kernels.stack_resampled(given, found), oracle, maps)


def test_a_stack_with_a_map_of_the_result_s_size_that_has_matrices(kernels, check, rng):
    pair = tuple(banded(rng, 4, 4).astype(np.float32) for _ in range(2))
    maps = [rng.normal(size=(2, 3, 4, 4)) for _ in range(2)]
    check(
        lambda *given: kernels.stack_resampled(given, [None, pair]),
        lambda first, second: np.concatenate([first, resample(*pair)(second)], axis=1),
        maps,
    )


def test_what_does_not_fit_in_a_stack(kernels, jt):
    maps = [jt.ones((2, 3, 4, 5)), jt.ones((2, 3, 2, 2))]
    with pytest.raises(ValueError, match="stack_resampled: "):
        kernels.stack_resampled(maps, [None, None])
    with pytest.raises(ValueError, match="stack_resampled: "):
        kernels.stack_resampled(maps, [None, (np.ones((4, 3), "f4"), np.ones((5, 2), "f4"))])
