import pytest

from pipeline.graph import optuna_sampler
from pipeline.graph.optuna_sampler import check_installed, suggested

CHOICES = {
    "schedule.base_lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "auxiliary_head.depth": {"low": 1, "high": 6},
    "auxiliary_head.kind": ("vit", "convnext"),
    "seeds": ((0, 1), (2,)),
    "regularisation.x": (True, 1),
}


def result(changes) -> float:
    """Best at a rate of 1e-2 and a depth of 4."""
    rate = changes["schedule.base_lr"]
    return -abs(rate - 1e-2) * 10 - abs(changes["auxiliary_head.depth"] - 4)


def searched(num_trials: int, seed: int, maximize: bool = True) -> list:
    pytest.importorskip("optuna", reason="no Optuna: pip install -e '.[optuna]'")
    history = []
    for _ in range(num_trials):
        changes = suggested(CHOICES, history, seed=seed, maximize=maximize)
        history.append((changes, result(changes)))
    return history


def test_values_are_of_the_choices_and_as_a_file_holds_them():
    for changes, _ in searched(12, seed=0):
        assert changes.keys() == CHOICES.keys()
        assert 1e-4 <= changes["schedule.base_lr"] <= 1e-1
        assert float(f"{changes['schedule.base_lr']:.3g}") == changes["schedule.base_lr"]
        assert type(changes["auxiliary_head.depth"]) is int
        assert changes["seeds"] in ([0, 1], [2])
        assert changes["regularisation.x"] is True or type(changes["regularisation.x"]) is int


def test_a_trial_depends_on_the_seed_and_the_trials_before_it_alone():
    first = searched(14, seed=5)
    assert searched(14, seed=5) == first
    assert searched(3, seed=6) != first[:3]
    assert suggested(CHOICES, first[:12], seed=5, maximize=True) == first[12][0]
    assert len({changes["schedule.base_lr"] for changes, _ in first}) > 10  # not the same draw each time


def test_it_learns_from_results_in_either_direction():
    def mean_depth(maximize: bool) -> float:
        late = [changes["auxiliary_head.depth"] for changes, _ in searched(40, 1, maximize)[20:]]
        return sum(abs(depth - 4) for depth in late) / len(late)

    assert mean_depth(maximize=True) < 1 < mean_depth(maximize=False)


def test_trials_that_failed_and_a_history_from_a_file_are_taken():
    history = searched(3, seed=0)
    failed = [*history, (history[0][0], None)]
    assert suggested(CHOICES, failed, seed=0, maximize=True).keys() == CHOICES.keys()


def test_where_it_is_missing_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(optuna_sampler, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the library Optuna: pip install -e '\.\[optuna\]'"):
        check_installed()
