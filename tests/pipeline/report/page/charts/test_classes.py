import numpy as np

from pipeline.report.page.charts.classes import confusion, per_class
from tests.pipeline.report.page.drawn import ARMS


def test_confusions_are_shares_of_the_true_class_and_the_worst_is_named():
    counts = np.array([[3, 1], [0, 0]])
    figure = confusion("knn", "hssl", ["cat", "dog"], counts, counts.sum(axis=1), 2)
    cells = {(v["truth"], v["predicted"]): (v["%"], v["count"]) for v in figure.spec["data"]["values"]}
    assert cells == {
        ("cat", "cat"): (75.0, 3),
        ("cat", "dog"): (25.0, 1),
        ("dog", "cat"): (0.0, 0),
        ("dog", "dog"): (0.0, 0),
    }
    assert figure.alt == "most frequent confusion: cat as dog, 1 times"


def scores(low=40.0, num_classes=2):
    return [
        {"class": f"c{number}", "arm": arm, "run": f"{arm} seed 0", "iou": 50.0, "low": low, "high": 60.0}
        for number in range(num_classes)
        for arm in ARMS
    ]


def test_classes_have_their_intervals_run_beside_run():
    figure = per_class("segment", "iou", scores(), ARMS, 0.9)
    rule, points = figure.spec["layer"]
    assert rule["encoding"]["x"]["field"] == "low"
    assert points["encoding"]["yOffset"]["sort"] == ["ibot seed 0", "hssl seed 0"]
    assert figure.caption == "segment: IoU of each class, with its 90 % interval over test images."
    assert figure.svg.count('aria-roledescription="rule mark"') == 4


def test_many_classes_or_unknown_intervals_leave_the_points_alone():
    seeds = [
        value | {"run": f"{value['arm']} seed {seed}"}
        for seed in range(3)
        for value in scores(num_classes=50)
    ]
    for values in (scores(low=None), seeds):
        figure = per_class("segment", "iou", values, ARMS, 0.9)
        assert len(figure.spec["layer"]) == 1
        assert figure.caption == "segment: IoU of each class."


def test_of_many_classes_the_lowest_are_shown_and_it_is_said():
    values = [value | {"iou": float(value["class"][1:])} for value in scores(num_classes=200)]
    figure = per_class("segment", "iou", values, ARMS, 0.9)
    assert {value["class"] for value in figure.spec["data"]["values"]} == {f"c{i}" for i in range(60)}
    assert "the 60 of 200 classes with the lowest mean" in figure.caption
