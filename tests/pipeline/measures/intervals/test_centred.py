import numpy as np
import pytest

from pipeline.measures.intervals.centred import centred_interval


def test_the_scatter_stays_and_the_bias_goes():
    replicates = np.random.default_rng(0).normal(0.07, 0.005, 20_000)
    low, high = centred_interval(replicates, 0.06, confidence=0.95)
    # 1.96 standard deviations of a normal distribution; quantiles of 20,000 draws scatter by 1e-4.
    assert (low, high) == pytest.approx((0.06 - 0.0098, 0.06 + 0.0098), abs=3e-4)


def test_an_unbiased_statistic_keeps_its_percentiles():
    replicates = np.linspace(0, 1, 1001)
    assert centred_interval(replicates, 0.5, confidence=0.9) == pytest.approx((0.05, 0.95))


def test_resamples_without_the_metric_are_left_out():
    found = centred_interval(np.array([np.nan, 0.1, 0.3, np.inf]), 0.2, confidence=0.95)
    assert found == pytest.approx((0.105, 0.295))
    assert centred_interval(np.full(3, np.nan), 0.2, confidence=0.95) == (None, None)
