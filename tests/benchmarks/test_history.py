import numpy as np
import pytest

from benchmarks.history import against_before, description_of, history_file, remember, remembered


def entry(name, values, higher_is_better=False, **more):
    unit = "images/s" if higher_is_better else "s"
    return {
        "name": name,
        "values": values,
        "unit": unit,
        "higher_is_better": higher_is_better,
        "noise": None,
    } | more


def compared(now, runs, peak_gflops=100.0):
    return against_before(now, runs, peak_gflops=peak_gflops, rng=np.random.default_rng(0))


def test_a_row_twice_as_slow_is_called_slower(tmp_path):
    path = tmp_path / "history" / "here.json"
    assert remembered(path) == []
    remember(path, [entry("knn", [1.0, 1.1, 0.9])], peak_gflops=100.0, commit="abc")
    remember(path, [entry("linear", [5.0])], peak_gflops=100.0, commit="def")
    runs = remembered(path)
    assert [run["commit"] for run in runs] == ["abc", "def"]
    slower = compared(
        entry("knn", [2.0, 2.2, 1.8]), runs
    )  # the last run lacks the row: the one before counts
    assert slower["speed"] == pytest.approx(0.5)
    assert slower["low"] < 0.5 < slower["high"] < 1
    assert "slower than then" in description_of("knn", slower)
    assert compared(entry("augment", [1.0]), runs) is None


def test_a_slower_clock_is_no_slower_program(tmp_path):
    path = tmp_path / "here.json"
    remember(
        path, [entry("step", [100.0, 101.0, 102.0], higher_is_better=True)], peak_gflops=200.0, commit=None
    )
    now = compared(
        entry("step", [50.0, 50.5, 51.0], higher_is_better=True), remembered(path), peak_gflops=100.0
    )
    assert now["speed"] == pytest.approx(1)
    assert "as fast as then" in description_of("step", now)
    assert "no commit" in description_of("step", now)


def test_noisy_rows_and_shares_are_not_kept(tmp_path):
    path = tmp_path / "here.json"
    remember(
        path,
        [entry("a", [1.0], noise="other programs"), entry("b", [1.0], unit="% more")],
        peak_gflops=1.0,
        commit=None,
    )
    assert not path.exists()


def test_each_width_and_number_of_threads_has_a_file(tmp_path):
    names = {
        history_file(flags, threads, tmp_path).name
        for flags in ("fma avx2", "avx2 avx512f", "avx2 avx512f avx512_bf16", "sse2") for threads in (1, 2)
    }  # fmt: skip
    assert len(names) == 8
    assert all(name.endswith("-threads.json") for name in names)
