import math

from pipeline.report.page.warned import warned

CONFIG = {"projection_head": {"num_prototypes": 16}}


def a_line(step, **values):
    return {"step": step, "feature_spread": 0.7, "prototype_entropy": 1.0, "teacher_entropy": 1.0} | values


def test_the_steps_of_a_collapse_are_found_in_the_log():
    log = [
        a_line(1),
        a_line(50, prototype_entropy=0.0),
        a_line(100, teacher_entropy=math.log(16)),
        a_line(150),
    ]
    found = warned(log, CONFIG)
    assert {step: text.partition(":")[0] for step, text in found.items()} == {50: "collapsed", 100: "flat"}


def test_a_method_without_prototypes_is_judged_by_its_features():
    log = [{"step": 1, "feature_spread": 0.5}, {"step": 50, "feature_spread": 0.0}, {"step": 60, "loss": 1.0}]
    assert [*warned(log, {})] == [50]
