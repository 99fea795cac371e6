from pipeline.report.comparison.settings import ABSENT, differing


def test_only_what_differs_is_listed_with_every_value():
    first = {"schedule": {"epochs": 1, "lr": 0.1}, "arms": ["a", "b"], "detection": None, "data": {"x": 1}}
    second = {"schedule": {"epochs": 2, "lr": 0.1}, "arms": ["a"], "detection": {"lr": 1.0}, "data": {"x": 1}}
    assert differing([first, second, first]) == {
        "schedule.epochs": ["1", "2", "1"],
        "arms": ["a, b", "a", "a, b"],
        "detection": ["none", "given", "none"],
    }
    assert differing([first, first]) == {}


def test_a_key_of_a_later_version_is_told_from_none():
    assert differing([{"a": {}}, {"a": {"new": None}}]) == {"a.new": [ABSENT, "none"]}


def test_numbers_are_no_truth_values():
    assert differing([{"a": 1, "b": True}, {"a": 0, "b": False}]) == {"a": ["1", "0"], "b": ["true", "false"]}
