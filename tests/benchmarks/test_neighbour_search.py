"""The searches that the benchmark measures, on a few rows; that on a GPU by its sources on the processor."""

import pytest

from benchmarks import neighbour_search
from benchmarks.device_rows import DEVICE_ROWS
from benchmarks.programs import PROGRAMS
from pipeline.evaluate.neighbour_tiles import on_card
from tests.cuda_on_host.loading import host_library

PARAMETERS = {"queries": 9, "bank": 200, "channels": 8, "k": 5, "threads": 1}


def test_the_search_on_a_gpu_finds_what_that_on_the_processor_does(tmp_path, monkeypatch):
    monkeypatch.setattr(on_card._State, "library", None)
    monkeypatch.setattr(
        on_card, "prepare", lambda runtime, say: setattr(on_card._State, "library", host_library())
    )
    found = neighbour_search.CardSearch(PARAMETERS, tmp_path)
    assert found.check == neighbour_search.OurSearch(PARAMETERS, tmp_path).check
    assert found.repeat() > 0


def test_without_a_gpu_the_reason_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(on_card._State, "library", None)
    monkeypatch.setattr(on_card, "prepare", lambda runtime, say: say("the kernels are not for this card"))
    with pytest.raises(RuntimeError, match="the kernels are not for this card"):
        neighbour_search.CardSearch(PARAMETERS, tmp_path)


def test_a_faiss_without_gpus_is_named(tmp_path):
    faiss = pytest.importorskip("faiss", reason="faiss is not installed")
    if hasattr(faiss, "StandardGpuResources"):
        pytest.skip("this faiss has GPUs")
    with pytest.raises(RuntimeError, match="faiss is without GPUs"):
        neighbour_search.FaissCardSearch(PARAMETERS, tmp_path)


def test_the_row_is_that_of_imagenets_features():
    (row,) = (row for row in DEVICE_ROWS if row.name == "knn-card")
    assert {row.ours, row.other} <= set(PROGRAMS)
    assert row.flops(row.parameters) == 2 * 50_000 * 1_280_000 * 384
