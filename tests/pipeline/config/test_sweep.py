import math

import pytest

from pipeline.config.reading import ConfigError, read_experiment
from pipeline.config.sweep import MOST_TRIALS, SweepSection


def changes(**section):
    return SweepSection.model_validate(section).named_changes()


def test_a_grid_is_every_combination_however_its_tables_are_written():
    expected = {
        "base_lr-0.001_depth-1": {"schedule.base_lr": 0.001, "auxiliary_head.depth": 1},
        "base_lr-0.001_depth-3": {"schedule.base_lr": 0.001, "auxiliary_head.depth": 3},
        "base_lr-0.002_depth-1": {"schedule.base_lr": 0.002, "auxiliary_head.depth": 1},
        "base_lr-0.002_depth-3": {"schedule.base_lr": 0.002, "auxiliary_head.depth": 3},
    }
    assert changes(grid={"schedule.base_lr": [1e-3, 2e-3], "auxiliary_head.depth": [1, 3]}) == expected
    assert (
        changes(grid={"schedule": {"base_lr": [1e-3, 2e-3]}, "auxiliary_head": {"depth": [1, 3]}}) == expected
    )


def test_trials_one_by_one_and_a_grid_come_together():
    named = changes(trials=[{"schedule": {"epochs": 7.0}}], grid={"seeds": [[0, 1], [2]]})
    assert list(named.values()) == [{"schedule.epochs": 7.0}, {"seeds": (0, 1)}, {"seeds": (2,)}]


def test_random_trials_stay_when_more_are_asked_for():
    values = {
        "schedule.base_lr": {"low": 1e-4, "high": 1e-2, "log": True},
        "auxiliary_head.depth": {"low": 1, "high": 6},
        "objective.cls_weight": {"low": 0.0, "high": 1.0},
        "auxiliary_head.kind": ["convnext", "vit"],
    }
    few, many = (changes(random={"num_trials": n, "seed": 3, "values": values}) for n in (5, 200))
    assert list(many.items())[:5] == list(few.items())
    assert many != changes(random={"num_trials": 200, "seed": 4, "values": values})
    drawn = list(many.values())
    rates = [each["schedule.base_lr"] for each in drawn]
    assert all(1e-4 <= rate <= 1e-2 and float(f"{rate:.3g}") == rate for rate in rates)
    below = sum(rate < 1e-3 for rate in rates)  # half of them: the range is in orders of magnitude
    assert abs(below - 100) < 4 * math.sqrt(200 / 4)
    assert {each["auxiliary_head.depth"] for each in drawn} == {1, 2, 3, 4, 5, 6}
    assert {each["auxiliary_head.kind"] for each in drawn} == {"convnext", "vit"}


def test_names_tell_trials_apart_and_fit_a_folder():
    long = {f"section{i}.a_key_with_a_long_name": [1, 2] for i in range(3)}
    named = changes(grid=long)
    assert len(named) == 8
    assert all(len(name) <= 40 and name.startswith("trial-") for name in named)
    same_last = changes(grid={"schedule.epochs": [1.0, 2.0], "linear.epochs": [3]})
    assert all(name.startswith("trial-") for name in same_last)
    assert [*changes(grid={"data.source": ["a b/c", "d"]})] == ["source-a-b-c", "source-d"]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "no trial: give"),
        ({"grid": {"seeds": [[0]]}}, "two trials or more that differ, found one"),
        ({"grid": {"schedule": {"epochs": 3.0}}}, r"schedule.epochs: expected a list of values, found 3.0"),
        ({"grid": {"schedule.epochs": []}}, "schedule.epochs: expected a list of values"),
        ({"grid": {"name": ["a", "b"]}}, "a trial may not change name"),
        ({"trials": [{"sweep": {"grid": 1}}, {"seeds": [1]}]}, "a trial may not change sweep.grid"),
        ({"trials": [{}, {"seeds": [1]}]}, "a trial changes nothing"),
        ({"grid": {"a": [*range(40)], "b": [*range(40)]}}, f"at most {MOST_TRIALS} trials, found 1600"),
        ({"random": {"num_trials": 3, "values": {"a": {"low": 2, "high": 1}}}}, "a: expected { low"),
        ({"random": {"num_trials": 3, "values": {"a": {"low": 0, "high": 1, "log": True}}}}, "low > 0"),
        ({"random": {"num_trials": 3, "values": {"a": {"low": "x", "high": 1}}}}, "a: expected { low"),
    ],
)
def test_what_is_no_sweep_is_refused(section, words):
    with pytest.raises(ValueError, match=words):
        SweepSection.model_validate(section)


def test_a_changed_experiment_is_as_if_its_file_said_so(tmp_path):
    (tmp_path / "my.toml").write_text(
        'extends = "smoke"\n[schedule]\nbase_lr = 0.1\n[sweep.grid]\nseeds = [[1], [2]]'
    )
    plain = read_experiment(str(tmp_path / "my.toml"))
    changed = read_experiment(
        str(tmp_path / "my.toml"), {"schedule.base_lr": 0.2, "data.source": "photos", "sweep": False}
    )
    assert changed.schedule == plain.schedule.model_copy(update={"base_lr": 0.2})
    assert changed.data.source == str(tmp_path / "photos")
    assert plain.sweep is not None
    assert changed.sweep is None


def test_a_wrong_value_is_named_by_its_key(tmp_path):
    (tmp_path / "my.toml").write_text('extends = "smoke"')
    with pytest.raises(ConfigError, match=r"schedule.base_rate: unknown key; did you mean 'base_lr'"):
        read_experiment(str(tmp_path / "my.toml"), {"schedule.base_rate": 0.2})
