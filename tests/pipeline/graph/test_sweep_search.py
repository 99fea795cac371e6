"""Searches whose trials write their tables themselves."""

import json

import pytest

from pipeline.config.sweep import SweepSection
from pipeline.graph import sweep_search
from pipeline.graph.sweep_search import FILE, TABLE, SearchRefused, search


@pytest.fixture(autouse=True)
def halves(monkeypatch):
    """In place of Optuna: the mean of the best value so far and 8, and first 2."""

    def suggested(choices, history, *, seed, maximize):
        reached = [(result, changes["schedule.epochs"]) for changes, result in history if result is not None]
        best = max(reached)[1] if maximize and reached else min(reached)[1] if reached else -4
        return {"schedule.epochs": (best + 8) / 2}

    monkeypatch.setattr(sweep_search, "suggested", suggested)
    monkeypatch.setattr(sweep_search, "check_installed", lambda: None)


def sweep(num_trials: int, **objective) -> SweepSection:
    values = {"schedule.epochs": {"low": 1.0, "high": 9.0}}
    return SweepSection.model_validate(
        {
            "sampler": "optuna",
            "objective": {"task": "knn", "arm": "hssl", **objective},
            "random": {"num_trials": num_trials, "values": values},
        }
    )


class Trials:
    """Runs trials: their value is the number of epochs; those in `failing` fail."""

    def __init__(self, folder):
        self.folder, self.ran, self.failing, self.messages, self.offset = folder, [], set(), [], 0.0

    def __call__(self, name, changes):
        self.ran.append(changes["schedule.epochs"])
        if changes["schedule.epochs"] in self.failing:
            return None
        row = {"arm": "hssl", "task": "knn", "metric": "top1", "dataset": "d", "higher_is_better": True}
        row |= {"value": changes["schedule.epochs"] + self.offset, "difference": None}
        table = self.folder / f"{name}.json"
        table.write_text(json.dumps([row, row | {"arm": "ibot"}]))
        return table

    def search(self, *arguments, **options):
        return search(sweep(*arguments, **options), self.folder, run=self, say=self.messages.append)


@pytest.fixture
def trials(tmp_path):
    return Trials(tmp_path)


def test_each_trial_is_chosen_by_those_before_it_and_the_best_stands_first(trials, tmp_path):
    assert [trial.result for trial in trials.search(3)] == [2, 5, 6.5]
    lines = (tmp_path / TABLE).read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["trial", lines[1].split("|")[1], "3", "2", "1"]
    assert "knn of hssl" in lines[0]


def test_a_search_that_ended_anywhere_goes_on_as_if_it_had_not(trials, tmp_path):
    whole = trials.search(4)
    record = json.loads((tmp_path / FILE).read_text())
    record["trials"] = record["trials"][:2]
    (tmp_path / FILE).write_text(json.dumps(record))
    assert trials.search(4) == whole
    assert trials.search(5)[:4] == whole  # raised later


def test_results_are_those_of_the_tables_of_today_and_chosen_trials_stay(trials):
    chosen = [trial.changes for trial in trials.search(3)]
    trials.offset = 100.0
    again = trials.search(3)
    assert [trial.changes for trial in again] == chosen
    assert again[0].result == 102


def test_other_values_begin_a_search_anew(trials):
    trials.search(2)
    trials.search(2, arm="ibot")
    assert any("it begins anew" in line for line in trials.messages)


def test_a_trial_that_fails_is_passed_over_and_tried_again_next_time(trials):
    trials.failing = {5.0}
    assert [trial.result for trial in trials.search(2)] == [2, None]
    trials.failing = set()
    assert [trial.result for trial in trials.search(2)] == [2, 5]


def test_trials_that_fail_in_a_row_end_the_search(trials):
    trials.failing = {2.0}
    with pytest.raises(SearchRefused, match="3 trials in a row failed, the last one is epochs-2"):
        trials.search(9)
    assert len(trials.ran) == 3


def test_a_low_value_may_be_the_good_one(trials, tmp_path):
    trials.search(3, direction="minimize")
    lines = (tmp_path / TABLE).read_text().splitlines()
    assert lines[2].split("|")[1].strip() == "1"


def test_an_objective_that_no_row_has_is_told_with_those_that_there_are(trials):
    found = r"expected one row with .*'linear'.*found 0; there are: knn top1 of d"
    with pytest.raises(SearchRefused, match=found):
        trials.search(2, task="linear")
    with pytest.raises(SearchRefused, match="has no difference"):
        trials.search(2, of="difference")


def test_a_file_that_is_no_record_is_named(trials, tmp_path):
    (tmp_path / FILE).write_text("[]")
    with pytest.raises(SearchRefused, match=r"search\.json: .* has space and trials, found list"):
        trials.search(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": None}, r"needs \[sweep\.objective\]"),
        ({"grid": {"schedule.epochs": [1, 2]}}, "has to stand alone"),
        ({"sampler": "random"}, 'only sampler = "optuna" has a use for it'),
        ({"random": {"num_trials": 1, "values": {"seeds": [[1], [2]]}}}, "2 to 1000 trials, found 1"),
        ({"random": {"num_trials": 4, "values": {"name": ["a", "b"]}}}, "a trial may not change name"),
    ],
)
def test_a_search_that_cannot_be_is_refused(changes, message):
    values = sweep(4).model_dump(exclude_none=True)
    with pytest.raises(ValueError, match=message):
        SweepSection.model_validate({**values, **changes})
