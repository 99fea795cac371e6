import numpy as np
import pytest

from pipeline.dense_probes.token_cut import WEAK_EDGE, token_cut_object


def planted(rng, grid, rows, columns):
    inside = np.zeros(grid, bool)
    inside[rows, columns] = True
    keys = np.eye(2, 6)[inside.ravel().astype(int)] + 0.05 * rng.normal(size=(inside.size, 6))
    return keys.astype(np.float32), inside


@pytest.mark.parametrize("length", [0.1, 30.0])
def test_a_planted_rectangle_is_found(rng, length):
    keys, inside = planted(rng, (8, 9), slice(2, 5), slice(3, 7))
    np.testing.assert_array_equal(token_cut_object(length * keys, (8, 9), 0.2), inside)


def test_of_two_parts_the_one_with_the_largest_entry_is_the_object(rng):
    keys, inside = planted(rng, (6, 6), slice(0, 2), slice(0, 2))
    second, also = planted(rng, (6, 6), slice(4, 6), slice(3, 6))
    keys = np.where(also.ravel()[:, None], second, keys)
    found = token_cut_object(keys, (6, 6), 0.2)
    assert any(np.array_equal(found, part) for part in (inside, also))


def test_the_cut_equals_that_of_the_normalised_laplacian(rng):
    # Another way to the same vector: D^-1/2 times the second eigenvector of D^-1/2 (D - A) D^-1/2.
    keys = rng.normal(size=(20, 5))
    unit = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    edges = np.where(unit @ unit.T > 0.1, 1.0, WEAK_EDGE)
    root = np.sqrt(edges.sum(axis=1))
    laplacian = np.eye(20) - edges / root[:, None] / root
    vector = np.linalg.eigh(laplacian)[1][:, 1] / root
    side = vector > vector.mean()
    seed = np.abs(vector).argmax()
    found = token_cut_object(keys, (1, 20), 0.1).ravel()
    assert found[seed]
    assert (side[found] == side[seed]).all()
    ends = np.flatnonzero(found)[[0, -1]] + [-1, 1]
    assert all(side[end] != side[seed] for end in ends if 0 <= end < 20)


def test_equal_keys_give_some_part():
    assert token_cut_object(np.ones((6, 3)), (2, 3), 0.2).any()
