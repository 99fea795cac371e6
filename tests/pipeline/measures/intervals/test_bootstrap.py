import numpy as np
import pytest

from pipeline.measures.intervals.bootstrap import accuracy_interval, mean_interval

USUAL = {"num_bootstrap": 1000, "confidence": 0.95}


def resampled_means(values, num_bootstrap):
    rng = np.random.default_rng(5)
    drawn = rng.integers(0, len(values), size=(num_bootstrap, len(values)))
    return values[drawn].mean(axis=1)


def test_interval_equals_drawing_indices():
    correct = np.arange(400) % 10 < 7
    low, high = accuracy_interval(correct, np.random.default_rng(0), num_bootstrap=20_000, confidence=0.95)
    expected = np.quantile(resampled_means(correct, 20_000), [0.025, 0.975])
    np.testing.assert_allclose([low, high], expected, atol=0.0035)  # one image is 0.0025


def test_interval_of_a_paired_difference_equals_drawing_indices():
    rng = np.random.default_rng(1)
    first = rng.random(300) < 0.8
    second = first ^ (rng.random(300) < 0.2)
    difference = first.astype(float) - second
    found = mean_interval(difference, np.random.default_rng(0), num_bootstrap=20_000, confidence=0.9)
    expected = np.quantile(resampled_means(difference, 20_000), [0.05, 0.95])
    np.testing.assert_allclose(found, expected, atol=0.0045)  # one image is 0.0033


def test_what_both_get_wrong_does_not_widen_a_paired_interval():
    first = np.arange(1000) % 2 == 0
    second = first.copy()
    second[:20] = False
    low, high = mean_interval(first.astype(float) - second, np.random.default_rng(0), **USUAL)
    assert 0 < low < 0.01 < high < 0.02


@pytest.mark.parametrize("value", [False, True])
def test_all_alike_gives_a_point(value):
    interval = accuracy_interval(np.full(50, value), np.random.default_rng(0), **USUAL)
    assert interval == (float(value), float(value))


def test_same_seed_same_interval():
    correct = np.arange(97) % 3 == 0
    first = accuracy_interval(correct, np.random.default_rng(3), **USUAL)
    assert first == accuracy_interval(correct, np.random.default_rng(3), **USUAL)
    assert first != accuracy_interval(correct, np.random.default_rng(4), **USUAL)


@pytest.mark.parametrize("wrong", [np.zeros(0), np.array([0.5, 1.0]), np.zeros((3, 2))])
def test_values_that_are_not_right_or_wrong_are_refused(wrong):
    with pytest.raises(ValueError, match="correct: expected"):
        accuracy_interval(wrong, np.random.default_rng(0), **USUAL)


@pytest.mark.parametrize("wrong", [np.zeros(0), np.zeros((3, 2))])
def test_a_mean_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="outcomes: expected a vector"):
        mean_interval(wrong, np.random.default_rng(0), **USUAL)
