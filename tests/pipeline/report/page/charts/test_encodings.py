import pytest

from pipeline.report.page.charts.differences import forest
from pipeline.report.page.charts.probes import sweep
from pipeline.report.page.charts.training import training_curves
from tests.pipeline.report.page.drawn import ARMS, a_line


def test_an_arm_has_one_colour_in_every_figure():
    scales = [
        forest([a_line("hssl", 0.1)], ARMS, 0.95).spec["layer"][2]["encoding"]["color"]["scale"],
        sweep("k", "c", [{"arm": "hssl", "run": "r", "k": 1, "top-1 (%)": 1.0}], ARMS, x="k", log=True)
        .spec["encoding"]["color"]["scale"],
    ]  # fmt: skip
    assert scales[0] == scales[1]
    assert scales[0]["domain"] == ["hssl"], "the legend names what the figure shows"
    both = forest([a_line("ibot", 0.1), a_line("hssl", 0.1)], ARMS, 0.95)
    scale = both.spec["layer"][2]["encoding"]["color"]["scale"]
    assert scale["domain"] == ARMS
    assert scale["range"][1:] == scales[0]["range"] != scale["range"][:1]


@pytest.mark.parametrize(("value", "label"), [(0.125, "0.125"), (0.996, "0.996"), (2e-6, "0.000002")])
def test_the_axis_of_a_constant_curve_shows_its_value(value, label):
    logs = {"hssl seed 0": [{"step": step, "lr": value} for step in (1, 50, 100)]}
    assert f">{label}</text>" in training_curves(logs, ARMS).svg
    values = [{"arm": "hssl", "run": "r", "k": k, "top-1 (%)": value} for k in (1, 10)]
    assert f">{label}</text>" in sweep("k", "c", values, ARMS, x="k", log=True).svg
