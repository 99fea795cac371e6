"""Random histories of a project; `pytest -m faults --rounds N --first-seed S` plays and replays them."""

import random
from dataclasses import asdict

import pytest

from tests.faults.histories import EVENTS, play


def test_one_history(bench):
    """Several runs at once, of which the first may be killed."""
    history = play(bench, 26)
    assert "runs at once" in history.events[1]
    assert history.problems == []


def test_damage_anywhere_is_found_and_mended(bench):
    rng = random.Random(0)
    bench.restore()
    done = [EVENTS[name](bench, rng) for name in ("flip", "truncate")]
    assert len(set(done)) == 2
    assert bench.settle(verify=True) == []


@pytest.mark.faults
def test_histories(edited_bench, record_trial, request):
    first, count = request.config.getoption("--first-seed"), request.config.getoption("--rounds")
    wrong = []
    for seed in range(first, first + count):
        history = play(edited_bench, seed)
        record_trial({"part": "history", **asdict(history)}, history.problems)
        if history.problems:
            wrong.append(history)
    assert wrong == []
