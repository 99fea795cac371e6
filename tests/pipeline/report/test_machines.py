"""A table says on what its numbers were computed."""

import pytest

from pipeline.report import machines
from pipeline.report.machines import machine_of, machines_sentence


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"device": "cpu", "processor": "AMD EPYC", "threads": 1, "ranks": 1}, "AMD EPYC, 1 thread"),
        (
            {"device": "cpu", "processor": "AMD EPYC", "threads": 2, "ranks": 4},
            "AMD EPYC, 2 threads, 4 ranks",
        ),
        ({"device": "cuda", "processor": "AMD EPYC", "card": "H200", "threads": 8}, "H200, 8 threads"),
        ({"device": "cpu", "processor": None, "threads": 2}, None),
        ({}, None),
    ],
)
def test_a_machine_by_its_stamp(monkeypatch, tmp_path, about, words):
    monkeypatch.setattr(machines, "read_stamp", lambda directory: {"environment": about})
    assert machine_of(tmp_path) == words


def test_of_what_has_no_stamp_nothing_is_said(tmp_path):
    assert machine_of(tmp_path) is None
    assert machines_sentence([None]) == ""


def test_each_machine_is_named_once():
    sentence = machines_sentence(["b, 2 threads", None, "a, 1 thread", "b, 2 threads"])
    assert sentence.startswith("Computed on a, 1 thread; b, 2 threads. ")
    assert "with as many threads" in sentence
