import platform

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from pipeline.evaluate import neighbours
from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.neighbour_tiles.library import Library, library
from pipeline.evaluate.neighbours import nearest

# As if the processor had no vectors of 512 bits, and none of 256 bits either.
_LESS = (("-mno-avx512f",), ("-mno-avx512f", "-mno-avx2", "-mno-fma"))
INSTRUCTIONS = ((), *(_LESS if platform.machine() == "x86_64" else ()))
KINDS = (
    "noise",
    "long and short",
    "around a centre",
    "collapsed",
    "clusters",
    "two points",
    "few values",
    "same",
)


def brute_force(queries, bank, k):
    """Similarities in float64, rounded to float32, ordered by (similarity falling, row rising)."""
    queries, bank = queries.astype(np.float32).astype(float), bank.astype(np.float32).astype(float)
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(bank, axis=1)
    similarities = (queries @ bank.T / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    rows = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarities, rows, axis=1), rows


def drawn(kind, rng, count, channels):
    """Rows that are noise, share most of what they are, lie in clusters, or are nearly or wholly the same."""
    noise = rng.standard_normal((count, channels))
    centres = np.random.default_rng(9).standard_normal((7, channels))
    of_seven, of_two = centres[rng.integers(0, 7, count)], centres[rng.integers(0, 2, count)]
    rows = {
        "noise": noise,
        "long and short": noise * 10.0 ** rng.integers(-9, 9, (count, 1)),
        "around a centre": centres[0] + 0.1 * noise,
        "collapsed": centres[0] + 1e-3 * noise,
        "clusters": of_seven + 0.03 * noise,
        "two points": of_two + 1e-4 * noise,
        "few values": np.sign(np.round(noise)),
        "same": np.tile(centres[:1], (count, 1)),
    }
    return rows[kind].astype(np.float32)


def assert_found(found, expected):
    for values, expected_values in zip(found, expected, strict=True):
        np.testing.assert_array_equal(values, expected_values)


@pytest.mark.parametrize(
    ("num_queries", "num_bank", "k", "threads"),
    [(1, 1, 1, 1), (7, 300, 300, 2), (700, 9001, 37, 2), (3, 4097, 200, 1)],
)
def test_equals_brute_force(num_queries, num_bank, k, threads):
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((num_queries, 16)).astype(np.float32)
    bank = rng.standard_normal((num_bank, 16)).astype(np.float32)
    assert_found(nearest(queries, bank, k, num_threads=threads), brute_force(queries, bank, k))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [5, 147])
def test_every_processor_finds_the_same_in_any_kind_of_rows(kind, channels, monkeypatch):
    """The product with its bound may leave out no neighbour, whatever rounding does to it."""
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 640)
    rng = np.random.default_rng(3)
    bank, queries = drawn(kind, rng, 3001, channels), drawn(kind, rng, 67, channels)
    queries[3], bank[1111], bank[77] = 0, 0, bank[2222]
    expected = brute_force(queries, bank, 25)
    for flags in INSTRUCTIONS:
        for bfloat16 in {False, library().bfloat16}:
            compiled = Library(bfloat16=bfloat16, flags=flags)
            monkeypatch.setattr(neighbours, "library", lambda compiled=compiled: compiled)
            assert_found(nearest(queries, bank, 25), expected)


def test_banks_of_every_kind_are_read_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 128)
    rng = np.random.default_rng(4)
    halves = rng.standard_normal((900, 3, 40)).astype(np.float16)
    np.save(tmp_path / "f.npy", halves)
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    rows = np.flatnonzero(np.arange(900) % 4)
    for bank, array in (
        (halves[:, 1], halves[:, 1]),
        (halves[::-2, 2], halves[::-2, 2]),
        (halves[:, 0].astype(float), halves[:, 0]),
        (halves[:, :, 3], halves[:, :, 3]),
        (mapped[:, 1], halves[:, 1]),
        (
            FeatureRows((mapped[:, 2], mapped[:, 0]), rows),
            np.concatenate([halves[rows, 2], halves[rows, 0]], axis=1),
        ),
    ):
        queries = bank[np.array([5, 3, 200])]
        expected = brute_force(np.asarray(queries), array, 8)
        assert_found(nearest(queries, bank, 8), expected)
        assert_found(nearest(bank, bank, 3), brute_force(array, array, 3))


class _Counting(Library):
    """Counts the products, and in float64 the queries."""

    def __init__(self):
        super().__init__(bfloat16=library().bfloat16)
        self.products, self.doubles, scan = 0, 0, self.scan_double

        def scan_double(*arguments):
            self.doubles += arguments[-1]
            scan(*arguments)

        self.scan_double = scan_double

    def multiply(self, queries, rows, products):
        self.products += 1
        super().multiply(queries, rows, products)


@pytest.mark.parametrize(
    ("kind", "most_products", "doubles"),
    [("noise", 32, 50), ("around a centre", 32, 50), ("collapsed", 32, 100), ("two points", 6, 32 * 50)],
)
def test_collapsed_features_take_a_bounded_number_of_products(kind, most_products, doubles, monkeypatch):
    """At most one product in float64 for a block and, after two blocks, one of estimates for eight."""
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 640)
    rng = np.random.default_rng(5)
    bank, queries = drawn(kind, rng, 32 * 640, 64), drawn(kind, rng, 50, 64)
    counting = _Counting()
    monkeypatch.setattr(neighbours, "library", lambda: counting)
    nearest(queries, bank, 10)
    assert counting.products <= most_products
    assert counting.doubles <= doubles
    assert (kind == "two points") == (counting.doubles > 100)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["queries", "bank"])
def test_features_that_are_not_finite_are_refused(value, place):
    rows = {"queries": np.ones((3, 8), np.float32), "bank": np.ones((5, 8), np.float32)}
    rows[place][1, 2] = value
    with pytest.raises(ValueError, match="not finite"):
        nearest(rows["queries"], rows["bank"], 5)


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
