import numpy as np
import pytest

from pipeline.views.files import BASE, HEAD, Views, read_views, write_views


def some_views(num_vectors=3, num_mapped=3):
    vectors = {side: np.full((num_vectors, 2), value, np.float32) for side, value in ((BASE, 1), (HEAD, 2))}
    bank = {side: np.zeros((5, 2), np.float32) for side in (BASE, HEAD)}
    maps = {HEAD: np.arange(2 * num_mapped, dtype=np.float32).reshape(-1, 2)}
    return Views("test", np.array([7, 8, 9]), np.arange(5), vectors, bank, maps)


def test_what_is_written_is_read(tmp_path):
    write_views(tmp_path, some_views())
    found = read_views(tmp_path)
    assert (found.part, found.rows.tolist(), found.bank_rows.tolist()) == ("test", [7, 8, 9], [0, 1, 2, 3, 4])
    assert {side: each[0, 0] for side, each in found.vectors.items()} == {BASE: 1.0, HEAD: 2.0}
    assert {side: each.tolist() for side, each in found.maps.items()} == {HEAD: [[0, 1], [2, 3], [4, 5]]}


def test_more_vectors_than_images_are_refused(tmp_path):
    write_views(tmp_path, some_views(num_vectors=4))
    with pytest.raises(ValueError, match=r"views\.npz: 4 vectors of the base, expected 3"):
        read_views(tmp_path)


def test_a_map_of_more_images_is_refused(tmp_path):
    write_views(tmp_path, some_views(num_mapped=4))
    with pytest.raises(ValueError, match=r"views\.npz: 4 vectors of the auxiliary head, expected 3"):
        read_views(tmp_path)
