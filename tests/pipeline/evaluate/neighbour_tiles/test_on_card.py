"""The search on a GPU, by its sources built for the processor: the neighbours are those of the processor."""

import ctypes

import numpy as np
import pytest

from pipeline.evaluate.neighbour_tiles import on_card
from pipeline.evaluate.neighbours import nearest
from tests.cuda_on_host.loading import host_library
from tests.pipeline.evaluate.test_neighbours import KINDS, assert_found, brute_force, drawn


@pytest.fixture(autouse=True)
def device_sources(monkeypatch) -> ctypes.CDLL:
    """As if the processor were a GPU, with small blocks and tiles."""
    library = host_library()
    monkeypatch.setattr(on_card._State, "library", library)
    monkeypatch.setattr(on_card, "BLOCK_ROWS", 640)
    monkeypatch.setattr(on_card, "TILE_QUERIES", 16)
    return library


@pytest.mark.parametrize(
    ("num_queries", "num_bank", "channels", "k"),
    [(1, 1, 16, 1), (7, 300, 3, 300), (37, 1301, 16, 37), (3, 700, 40, 200), (2, 2000, 33, 1024)],
)
def test_equals_brute_force(num_queries, num_bank, channels, k):
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((num_queries, channels)).astype(np.float32)
    bank = rng.standard_normal((num_bank, channels)).astype(np.float32)
    found = nearest(queries, bank, k, num_threads=2, on_card=True)
    assert_found(found, brute_force(queries, bank, k))
    assert_found(found, nearest(queries, bank, k))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [5, 67])
def test_any_kind_of_rows(kind, channels):
    rng = np.random.default_rng(3)
    bank, queries = drawn(kind, rng, 1601, channels), drawn(kind, rng, 19, channels)
    queries[3], bank[1111], bank[77] = 0, 0, bank[1222]
    assert_found(nearest(queries, bank, 25, on_card=True), brute_force(queries, bank, 25))
