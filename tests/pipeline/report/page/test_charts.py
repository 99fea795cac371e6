import numpy as np
import pytest

from pipeline.report.page import charts
from tests.pipeline.report.page.drawn import ARMS, a_line


def test_the_forest_holds_each_difference_in_points_with_its_interval():
    figure = charts.forest([a_line("ibot"), a_line("hssl", 0.026)], ARMS, 0.9)
    (value,) = figure.spec["data"]["values"]
    assert (value["arm"], value["task"], value["baseline"]) == ("hssl", "knn top1", "ibot")
    assert (value["difference"], value["low"], value["high"]) == pytest.approx((2.6, 1.6, 3.6))
    assert "90 % interval" in figure.caption
    assert "hssl knn top1 +2.6" in figure.alt
    assert charts.forest([a_line("ibot")], ARMS, 0.95) is None


def test_an_arm_has_one_colour_in_every_figure():
    scales = [
        charts.forest([a_line("hssl", 0.1)], ARMS, 0.95).spec["layer"][2]["encoding"]["color"]["scale"],
        charts.sweep("k", "c", [{"arm": "hssl", "run": "r", "k": 1, "top-1 (%)": 1.0}], ARMS, x="k", log=True)
        .spec["encoding"]["color"]["scale"],
    ]  # fmt: skip
    assert scales[0] == scales[1]
    assert scales[0]["domain"] == ["hssl"], "the legend names what the figure shows"
    both = charts.forest([a_line("ibot", 0.1), a_line("hssl", 0.1)], ARMS, 0.95)
    scale = both.spec["layer"][2]["encoding"]["color"]["scale"]
    assert scale["domain"] == ARMS
    assert scale["range"][1:] == scales[0]["range"] != scale["range"][:1]


@pytest.mark.parametrize(("value", "label"), [(0.125, "0.125"), (0.996, "0.996"), (2e-6, "0.000002")])
def test_the_axis_of_a_constant_curve_shows_its_value(value, label):
    logs = {"hssl seed 0": [{"step": step, "lr": value} for step in (1, 50, 100)]}
    assert f">{label}</text>" in charts.training_curves(logs, ARMS).svg
    values = [{"arm": "hssl", "run": "r", "k": k, "top-1 (%)": value} for k in (1, 10)]
    assert f">{label}</text>" in charts.sweep("k", "c", values, ARMS, x="k", log=True).svg


def test_a_long_log_is_thinned_and_keeps_its_ends():
    lines = [{"step": step} for step in range(5000)]
    kept = charts.thinned(lines, 100)
    assert len(kept) == 100
    assert (kept[0], kept[-1]) == (lines[0], lines[-1])
    assert charts.thinned(lines[:7]) == lines[:7]


def test_confusions_are_shares_of_the_true_class_and_the_worst_is_named():
    figure = charts.confusion("knn", "hssl", ["cat", "dog"], np.array([[3, 1], [0, 0]]))
    cells = {(v["truth"], v["predicted"]): (v["%"], v["count"]) for v in figure.spec["data"]["values"]}
    assert cells == {
        ("cat", "cat"): (75.0, 3),
        ("cat", "dog"): (25.0, 1),
        ("dog", "cat"): (0.0, 0),
        ("dog", "dog"): (0.0, 0),
    }
    assert figure.alt == "most frequent confusion: cat as dog, 1 times"


def test_curves_of_what_a_run_does_not_log_are_left_out():
    logs = {
        "hssl seed 0": [{"step": 1, "loss": 2.0, "discrepancy_cka": 0.3}],
        "ibot seed 0": [{"step": 1, "loss": 1.0}],
    }
    figure = charts.training_curves(logs, ARMS)
    shown = {(v["run"], v["of"]): v["value"] for v in figure.spec["data"]["values"]}
    assert shown == {
        ("hssl seed 0", "loss"): 2.0,
        ("ibot seed 0", "loss"): 1.0,
        ("hssl seed 0", "1 - CKA of base and head"): 0.3,
    }
    assert charts.training_curves({}, ARMS) is None


def test_what_is_logged_seldom_survives_the_thinning():
    often = [{"step": step, "loss": 1.0} for step in range(1, 5001)]
    seldom = [{"step": 137, "loss": 1.0, "monitor_rankme": 9.0}, {"step": 4321, "monitor_rankme": 11.0}]
    lines = sorted([*often, *seldom], key=lambda line: line["step"])
    figure = charts.training_curves({"hssl seed 0": lines}, ARMS)
    rank = [v for v in figure.spec["data"]["values"] if v["of"] == "monitor: RankMe"]
    assert [(v["step"], v["value"]) for v in rank] == [(137, 9.0), (4321, 11.0)]


def scores(low=40.0, num_classes=2):
    return [
        {"class": f"c{number}", "arm": arm, "run": f"{arm} seed 0", "iou": 50.0, "low": low, "high": 60.0}
        for number in range(num_classes)
        for arm in ARMS
    ]


def test_classes_have_their_intervals_run_beside_run():
    figure = charts.per_class("segment", "iou", scores(), ARMS, 0.9)
    rule, points = figure.spec["layer"]
    assert rule["encoding"]["x"]["field"] == "low"
    assert points["encoding"]["yOffset"]["sort"] == ["ibot seed 0", "hssl seed 0"]
    assert figure.caption == "segment: iou of each class, with its 90 % interval over test images."
    assert figure.svg.count('aria-roledescription="rule mark"') == 4


def test_many_classes_or_unknown_intervals_leave_the_points_alone():
    for values in (scores(low=None), scores(num_classes=200)):
        figure = charts.per_class("segment", "iou", values, ARMS, 0.9)
        assert len(figure.spec["layer"]) == 1
        assert figure.caption == "segment: iou of each class."


def test_a_curve_is_marked_where_its_training_warned():
    logs = {f"{arm} seed 0": [{"step": step, "loss": 2.0} for step in range(1, 2000)] for arm in ARMS}
    figure = charts.training_curves(
        logs, ARMS, {"ibot seed 0": {}, "hssl seed 0": {777: "flat: no prototype"}}
    )
    marked = [value for value in figure.spec["data"]["values"] if "warned" in value]
    assert [(v["run"], v["step"], v["warned"]) for v in marked] == [
        ("hssl seed 0", 777, "flat: no prototype")
    ]
    assert figure.caption.endswith("hssl seed 0 warned at step 777 (flat): triangles.")
    assert figure.svg.count('aria-roledescription="point"') == 1
    healthy = charts.training_curves(logs, ARMS, {run: {} for run in logs})
    assert healthy.caption == "What every pretraining logged."
    assert len(healthy.spec["spec"]["layer"]) == 1
