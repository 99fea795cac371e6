import pytest

from pipeline.report.page.forest_table import forest_table
from tests.pipeline.report.page.drawn import a_line

MINUS = "\N{MINUS SIGN}"


def a_difference(value, low, high, **more):
    return a_line("hssl", value, **{"difference_ci_low": low, "difference_ci_high": high, **more})


def test_places_are_on_the_scale_that_the_ticks_tell():
    table = forest_table([a_line("ibot"), a_difference(0.026, 0.012, 0.04), a_difference(-0.01, -0.03, 0.01)])
    first, second = table.rows
    assert table.pairs == [f"HSSL {MINUS} iBOT"]
    assert (first.task, first.difference, first.interval, first.verdict) == (
        "k-NN top-1", "+2.6", "+1.2 to +4.0", "better",
    )  # fmt: skip
    assert second.verdict == "not told apart"
    values = {label: at for at, label in table.ticks}
    assert list(values) == ["-4", "-2", "0", "+2", "+4"]
    per_point = (values["+2"] - values["0"]) / 2
    assert table.zero == values["0"]
    for row, of in ((first, (2.6, 1.2, 4.0)), (second, (-1.0, -3.0, 1.0))):
        places = (row.at, row.low, row.low + row.width)
        assert places == pytest.approx([table.zero + per_point * value for value in of], abs=0.02)


def test_without_an_interval_there_is_a_point_and_no_verdict():
    (row,) = forest_table([a_difference(0.02, None, None, difference_std=0.01)]).rows
    assert (row.difference, row.interval, row.verdict) == ("+2.0 ± 1.0", "", "")
    assert (row.low, row.width) == (None, None)


def test_where_less_is_better_an_interval_above_zero_is_worse():
    (row,) = forest_table([a_difference(0.02, 0.01, 0.03, higher_is_better=False)]).rows
    assert row.verdict == "worse"


def test_equal_arms_have_a_scale_too():
    table = forest_table([a_difference(0.0, 0.0, 0.0)])
    assert 0 <= table.zero <= 100
    assert len(table.ticks) >= 2


def test_without_differences_there_is_none():
    assert forest_table([a_line("ibot")]) is None
