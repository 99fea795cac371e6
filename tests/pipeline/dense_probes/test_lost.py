import numpy as np
import pytest

from pipeline.dense_probes.lost import lost_object


def planted(rng, grid, rows, columns, *, noise=0.1):
    """Keys of one direction on a rectangle and of the opposite one around it."""
    inside = np.zeros(grid, bool)
    inside[rows, columns] = True
    keys = np.where(inside.ravel()[:, None], 1.0, -1.0) * np.eye(1, 6) + noise * rng.normal(
        size=(inside.size, 6)
    )
    return keys.astype(np.float32), inside


@pytest.mark.parametrize("length", [0.1, 1.0, 30.0])
def test_a_planted_rectangle_is_found(rng, length):
    keys, inside = planted(rng, (8, 9), slice(2, 5), slice(3, 7))
    np.testing.assert_array_equal(lost_object(length * keys, (8, 9), 0.15), inside)


def test_only_the_part_that_holds_the_seed_is_the_object():
    # Products of (1, 0), (-1, 0): two separate objects of 4 and 2 patches. Every object's patch has degree 5.
    marked = np.zeros((4, 6), bool)
    marked[:2, :2] = marked[3, 4:] = True
    keys = np.where(marked.ravel()[:, None], 1.0, -1.0) * np.eye(1, 2)
    found = lost_object(keys, (4, 6), 0.3)
    assert np.flatnonzero(found).tolist() == [0, 1, 6, 7]  # the seed is the first patch of lowest degree


def test_each_step_by_hand():
    # Products with patch 3 are positive for 2 only: degree 1, the lowest. Degrees: 2, 2, 3, 1.
    keys = np.array([[1.0, 0.0], [1.0, 0.1], [0.9, 1.0], [-0.5, 1.0]])
    products = keys @ keys.T
    assert ((products > 0).sum(axis=1) - 1).tolist() == [2, 2, 3, 1]
    # Share 0.25: the seed alone; marked is what has a positive product with it.
    assert lost_object(keys, (1, 4), 0.25).tolist() == [[False, False, True, True]]
    # All four: the seed grows by patch 2; the sum (0.4, 2.0) has a positive product with every patch.
    assert lost_object(keys, (1, 4), 1.0).all()


def test_keys_that_say_nothing_still_give_one_patch_or_more():
    assert lost_object(np.zeros((6, 3)), (2, 3), 0.15).sum() == 1
    assert lost_object(np.ones((6, 3)), (2, 3), 0.15).all()
