"""Every call that changes a file fails once: with an error, a kill, a full disk, half a write."""

import itertools

import pytest

from tests.faults.shim import CALLS, KINDS
from tests.faults.trials import calls_of, failing_call, missing_stage

# One of each program; the other arm and the other probes are the same ones.
STAGES = (
    "prepare-images", "duplicates-images", "initialize-random-seed0", "pretrain-hssl-seed0",
    "curves-hssl-seed0", "features-hssl-seed0", "views-hssl-seed0", "knn-hssl-seed0", "tables", "report",
)  # fmt: skip


@pytest.mark.slow
def test_calls_are_counted_in_their_order(bench):
    calls = calls_of(bench, missing_stage(bench, "pretrain-hssl-seed0"))
    assert set("wsrmu") <= set(calls) <= CALLS.keys()
    assert 40 < len(calls) < 1000


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "at"), [("full", 42), ("torn", 67)])
def test_a_few_calls(bench, kind, at):
    """In the middle of a training and its checkpoints; the marked test below has them all."""
    assert failing_call(bench, missing_stage(bench, "pretrain-hssl-seed0"), kind, at) == []


@pytest.mark.faults
@pytest.mark.parametrize(("link", "kind"), list(itertools.product(STAGES, KINDS)))
def test_every_call(bench, record_trial, link, kind):
    prepare = missing_stage(bench, link)
    calls = calls_of(bench, prepare)
    assert bench.settle() == []
    wrong = []
    for at, letter in enumerate(calls, 1):
        problems = failing_call(bench, prepare, kind, at)
        record_trial({"part": "every write", "stage": link, "kind": kind, "call": CALLS[letter], "at": at},
                     problems)  # fmt: skip
        wrong += problems
    assert wrong == []
