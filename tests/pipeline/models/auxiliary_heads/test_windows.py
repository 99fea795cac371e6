import numpy as np
import pytest

CASES = [
    ((14, 14), 7, 0),
    ((14, 14), 7, 3),
    ((6, 6), 7, 3),  # one window covers the map: no shift
    ((6, 6), 4, 2),  # windows do not divide the map
    ((5, 9), 3, 1),
    ((3, 8), 4, 2),  # one window covers the rows only
    ((1, 1), 7, 3),
    ((7, 2), 2, 1),
]


@pytest.mark.parametrize(("grid", "size", "shift"), CASES)
def test_every_patch_has_one_place(jt, grid, size, shift):
    from pipeline.models.auxiliary_heads.windows import windows

    parts = windows(grid, size, shift)
    num_patches = grid[0] * grid[1]
    assert np.array_equal(parts.patches.ravel()[parts.slots], np.arange(num_patches))
    assert len(set(parts.slots.tolist())) == num_patches


@pytest.mark.parametrize(("grid", "size", "shift"), CASES)
def test_who_sees_whom_and_from_where(jt, grid, size, shift):
    """By the definition: two patches see each other if they lie in one window of the shifted grid."""
    from pipeline.models.auxiliary_heads.windows import windows

    parts = windows(grid, size, shift)
    seen = {}
    of_place = np.full(parts.patches.size, -1)
    of_place[parts.slots] = np.arange(len(parts.slots))
    of_place = of_place.reshape(parts.patches.shape)
    for window, query, key in np.argwhere(parts.allowed):
        pair = of_place[window, query], of_place[window, key]
        assert pair[1] >= 0, "a place beyond the edge is seen"
        if pair[0] >= 0:
            seen[pair] = (parts.rows[query, key], parts.columns[query, key])

    def cell(patch):
        position = np.divmod(patch, grid[1])
        return tuple(
            (p - (shift if side < length else 0)) // side
            for p, length in zip(position, grid, strict=True)
            for side in [min(size, length)]
        )

    for query in range(grid[0] * grid[1]):
        for key in range(grid[0] * grid[1]):
            assert ((query, key) in seen) == (cell(query) == cell(key))
    for (query, key), offset in seen.items():
        assert offset == (query // grid[1] - key // grid[1], query % grid[1] - key % grid[1])


def test_no_more_windows_than_without_shift(jt):
    from pipeline.models.auxiliary_heads.windows import windows

    assert windows((14, 14), 7, 3).patches.shape == windows((14, 14), 7, 0).patches.shape == (4, 49)
    assert windows((14, 14), 7, 0).allowed.all()
