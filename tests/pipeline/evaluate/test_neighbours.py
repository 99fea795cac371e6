import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from pipeline.evaluate import neighbours
from pipeline.evaluate.neighbours import nearest


def brute_force(queries, bank, k):
    """Similarities in float64, ordered by (similarity falling, row rising)."""
    queries, bank = queries.astype(float), bank.astype(float)
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(bank, axis=1)
    similarities = queries @ bank.T / lengths
    rows = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarities, rows, axis=1), rows


@pytest.mark.parametrize(
    ("num_queries", "num_bank", "k", "threads"),
    [(1, 1, 1, 1), (7, 300, 300, 2), (700, 9001, 37, 2), (3, 4097, 200, 1)],
)
def test_equals_brute_force(num_queries, num_bank, k, threads):
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((num_queries, 16)).astype(np.float32)
    bank = rng.standard_normal((num_bank, 16)).astype(np.float32)
    similarities, rows = nearest(queries, bank, k, num_threads=threads)
    expected_similarities, expected_rows = brute_force(queries, bank, k)
    np.testing.assert_allclose(similarities, expected_similarities, atol=1e-6)
    swapped = rows != expected_rows  # neighbours closer to each other than float32 can tell
    assert swapped.mean() < 2e-3
    assert np.unique(rows[0]).size == k


def test_a_bank_sorted_from_far_to_near_is_searched_right(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 64)
    monkeypatch.setattr(neighbours, "TILE_QUERIES", 5)
    monkeypatch.setattr(neighbours, "SLAB_BYTES", 1)
    angles = np.linspace(3.0, 0.1, 1000)
    bank = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    queries = np.tile([[1.0, 0.0]], (17, 1))
    _, rows = nearest(queries, bank, 20, num_threads=2)
    np.testing.assert_array_equal(rows, np.tile(np.arange(999, 979, -1), (17, 1)))


def test_equal_similarities_are_ordered_by_the_lowest_row(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 128)
    rng = np.random.default_rng(1)
    corners = np.eye(4, dtype=np.float32) * np.array([1, -1, 2, 3], np.float32)
    bank = corners[rng.integers(0, 4, 2000)]
    queries = np.array([[1, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 0]], np.float32)
    similarities, rows = nearest(queries, bank, 1500)
    for query, found_similarities, found in zip(queries, similarities, rows, strict=True):
        exact = np.sign(bank @ query)
        np.testing.assert_array_equal(found, np.argsort(-exact, kind="stable")[:1500])
        np.testing.assert_array_equal(found_similarities, exact[found])


def test_equals_scikit_learn_from_a_memory_mapped_bank(tmp_path):
    rng = np.random.default_rng(2)
    np.save(tmp_path / "bank.npy", rng.standard_normal((5000, 32)).astype(np.float32))
    bank = np.load(tmp_path / "bank.npy", mmap_mode="r")
    queries = rng.standard_normal((50, 32)).astype(np.float32)
    oracle = NearestNeighbors(n_neighbors=30, metric="cosine", algorithm="brute").fit(bank)
    distances, rows = oracle.kneighbors(queries)
    similarities, found = nearest(queries, bank, 30)
    np.testing.assert_array_equal(found, rows)
    np.testing.assert_allclose(similarities, 1 - distances, atol=1e-6)


@pytest.mark.parametrize(("shape", "k"), [((4, 3), 2), ((4, 2), 0), ((4, 2), 5)])
def test_impossible_requests_are_refused(shape, k):
    with pytest.raises(ValueError, match=r"must be"):
        nearest(np.ones((2, 2)), np.ones(shape), k)
