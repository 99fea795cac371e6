import json
from dataclasses import replace

import pytest

from pipeline.benchmark import measuring
from pipeline.benchmark.comparing import Compared, Measured
from pipeline.benchmark.report import write_report
from pipeline.benchmark.rows import ROWS, Row, chosen_rows
from pipeline.benchmark.sides import SIDES

KEYS = {
    "name",
    "unit",
    "ours",
    "other",
    "other_name",
    "ratio",
    "peak_share",
    "peak_rss_mib",
    "repeats",
    "spread",
}


def row(**changes) -> Row:
    return replace(
        Row(name="r", title="a row", unit="s", ours="a", other="b", other_name="B", target=2.0,
            target_words=">= 2 x"),
        **changes,
    )  # fmt: skip


def entry(of: Row, ours=(1.0, 1.0), other=(3.0, 3.0), peak_gflops=10.0, why_not=""):
    theirs = None if other is None else Measured(other)
    found = Compared(Measured(ours), theirs, (), 0.0)
    return measuring._entry(of, found, 100.0, None if other is None else 200.0, why_not, peak_gflops)


def test_a_ratio_above_one_means_that_ours_is_better():
    assert entry(row())["ratio"] == 3  # seconds: a third of the other's
    of_rate = row(items=lambda parameters: 12.0, unit="images/s", higher_is_better=True)
    found = entry(of_rate)
    assert (found["ours"], found["other"], found["ratio"]) == (12.0, 4.0, 3.0)
    slower = entry(of_rate, ours=(6.0,), other=(3.0,))
    assert slower["ratio"] == 0.5
    assert (found["met"], slower["met"]) == (True, False)


def test_share_of_peak_and_targets_without_another_side():
    assert entry(row(flops=lambda parameters: 5e9))["peak_share"] == 0.5
    assert entry(row(flops=lambda parameters: 5e9), peak_gflops=None)["peak_share"] is None
    alone = row(other=None, other_name=None, target=2.0)
    assert entry(alone, other=None)["met"] is True
    assert entry(alone, ours=(3.0,), other=None)["met"] is False
    assert entry(row(target=None))["met"] is None


def test_what_is_absent_is_null_and_said():
    found = entry(row(needs=("no_such_package",)), other=None, why_not="not installed: no_such_package")
    assert (found["other"], found["ratio"], found["met"]) == (None, None, None)
    assert found["note"] == "not installed: no_such_package"
    assert measuring.absent(row(needs=("no_such_package", "json"))) == "not installed: no_such_package"


def test_both_files(tmp_path):
    write_report(tmp_path, [entry(row()), entry(row(name="alone"), other=None)], {"processor": "P"}, {})
    entries = json.loads((tmp_path / "benchmark.json").read_text())
    assert [KEYS - set(found) for found in entries] == [set(), set()]
    assert entries[0]["spread"] == [1.0, 1.0]
    text = (tmp_path / "benchmark.md").read_text()
    assert "- processor: P" in text
    assert "| r      |" in text or "| r " in text
    assert " 3.00 " in text


def test_rows_name_known_sides_and_are_chosen_by_prefix():
    assert len({found.name for found in ROWS}) == len(ROWS)
    for found in ROWS:
        assert found.ours in SIDES
        assert found.other is None or found.other in SIDES
    assert {found.name for found in chosen_rows("step")} == {n.name for n in ROWS if n.name[:4] == "step"}
    with pytest.raises(ValueError, match="no row 'stop'"):
        chosen_rows("stop")
    assert chosen_rows("step-small", toy=True)[0].parameters["size"] == "toy"
