"""The search on a GPU finds the neighbours of the processor: by its sources built for the processor, or on
$HSSL_TEST_DEVICE.
"""

import ctypes
import os
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate import neighbours
from pipeline.evaluate.feature_rows import FeatureRows, StackedRows
from pipeline.evaluate.neighbour_tiles import on_card
from pipeline.evaluate.neighbours import nearest
from pipeline.runtime.cuda.used import used_setup
from tests.cuda_on_host.loading import host_library
from tests.pipeline.evaluate.test_neighbours import KINDS, assert_found, brute_force, drawn


@pytest.fixture(autouse=True)
def device_sources(monkeypatch) -> ctypes.CDLL:
    """As if the processor were a GPU; of its small blocks every row fits into a list."""
    if "HSSL_TEST_DEVICE" in os.environ:
        if not on_card.is_ready():
            on_card.prepare(RuntimeConfig(device=os.environ["HSSL_TEST_DEVICE"]), print)
        library = on_card._State.library
    else:
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


@pytest.mark.parametrize("kind", ["noise", "around a centre", "two points", "few values", "same"])
def test_more_rows_than_a_list_holds(kind, monkeypatch):
    """Blocks of 2,080 rows, lists of 1,024. Where a bar does not cut them, all rows are summed."""
    monkeypatch.setattr(on_card, "BLOCK_ROWS", 2112)
    rng = np.random.default_rng(4)
    bank, queries = drawn(kind, rng, 4150, 8), drawn(kind, rng, 3, 8)
    queries[2], bank[17] = 0, 0
    assert_found(nearest(queries, bank, 30, on_card=True), brute_force(queries, bank, 30))


@pytest.mark.parametrize(("kind", "most_summed"), [("noise", 450), ("around a centre", 450), ("same", 6144)])
def test_estimates_leave_most_rows_out(kind, most_summed):
    """Of two blocks of 3,072 rows 30 are wanted; of equal rows none can be left out."""
    rng = np.random.default_rng(5)
    bank, queries = drawn(kind, rng, 6144, 64), drawn(kind, rng, 2, 64)
    centre = neighbours._centre(bank)
    with on_card.opened(on_card.Sizes(slab=2, block=3072, tile=2), centre, 30) as device:
        device.rows(2)[:] = queries
        device.add_queries(2)
        for first in (0, 3072):
            device.rows(3072)[:] = bank[first : first + 3072]
            device.search(np.arange(first, first + 3072))
        _, rows = device.best()
        summed = device.num_summed()
    np.testing.assert_array_equal(rows, brute_force(queries, bank, 30)[1])
    assert 2 * 30 <= summed <= 2 * most_summed


def test_banks_of_every_kind_are_read(tmp_path):
    rng = np.random.default_rng(4)
    halves = rng.standard_normal((900, 3, 40)).astype(np.float16)
    np.save(tmp_path / "f.npy", halves)
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    rows = np.flatnonzero(np.arange(900) % 4)
    of_parts = FeatureRows((mapped[:, 2], mapped[:, 0]), rows)
    for bank, array in (
        (halves[::-2, 2], halves[::-2, 2]),
        (halves[:, :, 1].astype(float), halves[:, :, 1]),
        (mapped[:, 1], halves[:, 1]),
        (of_parts, np.concatenate([halves[rows, 2], halves[rows, 0]], axis=1)),
    ):
        queries = StackedRows((bank[np.array([5, 3, 200])], array[7:9]))
        expected = brute_force(np.concatenate([array[[5, 3, 200]], array[7:9]]), array, 8)
        assert_found(nearest(queries, bank, 8, on_card=True), expected)


def test_queries_that_do_not_fit_are_searched_in_slabs(monkeypatch):
    monkeypatch.setattr(on_card, "QUERY_BYTES", 1)
    rng = np.random.default_rng(6)
    queries, bank = (rng.standard_normal((count, 8)).astype(np.float32) for count in (150, 700))
    assert on_card.sizes(150, 700, 8, 5).slab == 64
    assert_found(nearest(queries, bank, 5, on_card=True), brute_force(queries, bank, 5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["queries", "bank"])
def test_features_that_are_not_finite_are_refused(value, place):
    rows = {"queries": np.ones((3, 8), np.float32), "bank": np.ones((70, 8), np.float32)}
    rows[place][1, 2] = value
    with pytest.raises(ValueError, match="not finite"):
        nearest(rows["queries"], rows["bank"], 5, on_card=True)


def test_a_failure_of_the_device_is_one_line(monkeypatch):
    """Here: a block that is larger than what was asked for."""
    with on_card.opened(on_card.Sizes(slab=4, block=64, tile=4), np.zeros(3, np.float32), 2) as device:
        device.rows(4)[:] = 1
        device.add_queries(4)
        with pytest.raises(
            on_card.CardSearchError, match=r"4 queries and 1 more; expected at most 4 \(runtime"
        ):
            device.add_queries(1)


def test_more_neighbours_than_lists_are_made_for_are_searched_for_on_the_processor(monkeypatch):
    monkeypatch.setattr(on_card._State, "library", None)  # would fail
    rng = np.random.default_rng(7)
    queries, bank = (rng.standard_normal((count, 8)).astype(np.float32) for count in (3, 1500))
    assert_found(nearest(queries, bank, 1025, on_card=True), brute_force(queries, bank, 1025))


@pytest.mark.parametrize("runtime", [RuntimeConfig(device="cpu"), RuntimeConfig(kernels="plain")])
def test_without_a_card_or_its_kernels_the_processor_searches(runtime, monkeypatch):
    monkeypatch.setattr(on_card._State, "library", None)
    on_card.prepare(runtime, pytest.fail)
    assert not on_card.is_ready()


def test_a_card_for_which_there_are_no_kernels_is_said(monkeypatch):
    monkeypatch.setattr(on_card._State, "library", None)
    card = SimpleNamespace(capability=(7, 5))
    monkeypatch.setattr(on_card, "take_card", lambda device, say: SimpleNamespace(card=card, toolkit=None))
    said = []
    on_card.prepare(RuntimeConfig(), said.append)
    assert not on_card.is_ready()
    assert used_setup() is None
    (line,) = said
    assert line.startswith("neighbours are searched on the processor: device kernels: this card has compute")
