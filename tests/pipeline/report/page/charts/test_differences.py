import pytest

from pipeline.report.page.charts.differences import forest
from tests.pipeline.report.page.drawn import ARMS, a_line


def test_the_forest_holds_each_difference_in_points_with_its_interval():
    figure = forest([a_line("ibot"), a_line("hssl", 0.026)], ARMS, 0.9)
    (value,) = figure.spec["data"]["values"]
    assert (value["arm"], value["task"], value["baseline"]) == ("hssl", "k-NN top-1", "ibot")
    assert (value["difference"], value["low"], value["high"]) == pytest.approx((2.6, 1.6, 3.6))
    assert "90 % interval" in figure.caption
    assert "hssl k-NN top-1 +2.6" in figure.alt
    assert forest([a_line("ibot")], ARMS, 0.95) is None
