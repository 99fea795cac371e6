import numpy as np
import pytest

from pipeline.report.intervals.bootstrap import bootstrap_interval, paired_difference_interval


def resampled_means(values, num_bootstrap):
    rng = np.random.default_rng(5)
    drawn = rng.integers(0, len(values), size=(num_bootstrap, len(values)))
    return values[drawn].mean(axis=1)


def test_interval_equals_drawing_indices():
    correct = np.arange(400) % 10 < 7
    low, high = bootstrap_interval(correct, np.random.default_rng(0), num_bootstrap=20_000)
    expected = np.quantile(resampled_means(correct, 20_000), [0.025, 0.975])
    np.testing.assert_allclose([low, high], expected, atol=0.0035)  # one image is 0.0025


def test_paired_interval_equals_drawing_indices():
    rng = np.random.default_rng(1)
    first = rng.random(300) < 0.8
    second = first ^ (rng.random(300) < 0.2)
    difference, low, high = paired_difference_interval(
        first, second, np.random.default_rng(0), num_bootstrap=20_000, confidence=0.9
    )
    expected = np.quantile(resampled_means(first.astype(float) - second, 20_000), [0.05, 0.95])
    assert difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    np.testing.assert_allclose([low, high], expected, atol=0.0045)  # one image is 0.0033


def test_what_both_get_wrong_does_not_widen_a_paired_interval():
    first = np.arange(1000) % 2 == 0
    second = first.copy()
    second[:20] = False
    _, low, high = paired_difference_interval(first, second, np.random.default_rng(0))
    assert 0 < low < 0.01 < high < 0.02


@pytest.mark.parametrize("value", [False, True])
def test_all_alike_gives_a_point(value):
    interval = bootstrap_interval(np.full(50, value), np.random.default_rng(0))
    assert interval == (float(value), float(value))


def test_same_seed_same_interval():
    correct = np.arange(97) % 3 == 0
    first = bootstrap_interval(correct, np.random.default_rng(3))
    assert first == bootstrap_interval(correct, np.random.default_rng(3))
    assert first != bootstrap_interval(correct, np.random.default_rng(4))


@pytest.mark.parametrize("wrong", [np.zeros(0), np.array([0.5, 1.0]), np.zeros((3, 2))])
def test_values_that_are_not_answers_are_refused(wrong):
    with pytest.raises(ValueError, match="correct: expected"):
        bootstrap_interval(wrong, np.random.default_rng(0))


def test_other_images_and_impossible_confidence_are_refused():
    with pytest.raises(ValueError, match="3 and 4 values"):
        paired_difference_interval(np.ones(3), np.ones(4), np.random.default_rng(0))
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_interval(np.ones(3), np.random.default_rng(0), confidence=1.0)
