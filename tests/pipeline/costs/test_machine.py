import json
import os
import time
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipeline.costs import machine


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path))
    return tmp_path


def test_the_fastest_rate_seen_is_kept_for_each_number_of_threads(cache, monkeypatch):
    rates = iter([5e9, 3e9, 7e9, 2e9])
    monkeypatch.setattr(machine, "_measured", lambda threads: next(rates))
    assert [machine.product_rate(1) for _ in range(3)] == [5e9, 5e9, 7e9]
    assert machine.product_rate(2) == 2e9
    assert sorted(json.loads((cache / machine.RATES).read_text()).values()) == [2e9, 7e9]
    (cache / machine.RATES).write_text("{")
    monkeypatch.setattr(machine, "_measured", lambda threads: 1e9)
    assert machine.product_rate(1) == 1e9


def test_a_product_takes_as_long_as_its_operations_at_that_rate(cache, monkeypatch):
    # By the thread's own clock, here and there: other work on the machine does not count.
    monkeypatch.setattr(machine, "time", SimpleNamespace(perf_counter=time.thread_time))
    rate, side = machine.product_rate(1), 1024
    left, right = np.ones((2, side, side), np.float32)
    with threadpool_limits(1):
        tries = []
        for _ in range(5):
            started = time.thread_time()
            left @ right
            tries.append(time.thread_time() - started)
    assert 0.3 < 2 * side**3 / min(tries) / rate < 3


def test_a_process_that_waited_for_a_core_has_a_rate_too(cache, monkeypatch):
    monkeypatch.setattr(machine, "_SECONDS", 0.0)
    assert 0 < machine.product_rate(1) < np.inf


def test_what_is_compiled(cache):
    assert machine.is_compiled() == (False, False)
    folder = cache / "jittor" / "0123"
    operators = folder / ".cache" / "jittor" / "jt1" / "g++" / "default" / "jit"
    operators.mkdir(parents=True)
    (folder / "built.json").write_text("{}")
    for index in range(49):
        (operators / f"{index}_op.so").touch()
    assert machine.is_compiled() == (True, False)
    (operators / "49_op.so").touch()
    assert machine.is_compiled() == (True, True)


def test_a_plan_needs_no_usable_cache(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HSSL_CACHE", os.fspath(tmp_path / "file"))
    monkeypatch.setattr(machine, "_measured", lambda threads: 1e9)
    assert machine.product_rate(1) == 1e9
    assert machine.is_compiled() == (False, False)
