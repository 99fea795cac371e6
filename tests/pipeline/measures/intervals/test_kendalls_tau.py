"""Kendall's tau and its interval against scipy and against every resample there is."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import kendalltau

from pipeline.measures.intervals.kendalls_tau import rank_correlation

USUAL = {"num_bootstrap": 500, "confidence": 0.95}


@pytest.mark.parametrize("ties", [False, True])
def test_tau_and_p_value_are_scipys(rng, ties):
    for _ in range(20):
        first, second = rng.normal(size=(2, 9))
        if ties:
            first, second = first.round(), second.round()
        expected = kendalltau(first, second)
        found = rank_correlation(first, second, rng, num_bootstrap=10, confidence=0.95)
        assert found.tau == expected.statistic
        assert found.p_value == expected.pvalue
        assert found.count == 9


def test_the_interval_is_the_quantiles_over_all_resamples(rng):
    """Four things have 256 resamples: the limit of the bootstrap can be written down."""
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])
    taus = []
    for drawn in product(range(4), repeat=4):
        index = np.array(drawn)
        taus.append(kendalltau(first[index], second[index]).statistic if len(set(drawn)) > 1 else np.nan)
    expected = np.nanquantile(taus, [0.15, 0.85])
    found = rank_correlation(first, second, rng, num_bootstrap=20000, confidence=0.7)
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(expected), abs=1e-12)
    assert found.ci_low < found.tau <= found.ci_high


def test_equal_and_opposite_orders_have_no_width(rng):
    order = np.array([0.1, 0.2, 0.5, 0.9, 1.5])
    same = rank_correlation(order, 3 * order, rng, **USUAL)
    opposite = rank_correlation(order, -order, rng, **USUAL)
    assert (same.tau, same.ci_low, same.ci_high) == pytest.approx((1, 1, 1))
    assert (opposite.tau, opposite.ci_low, opposite.ci_high) == pytest.approx((-1, -1, -1))


def test_independent_orders_are_rarely_told_apart_from_nothing():
    rng = np.random.default_rng(0)
    found = [rank_correlation(*rng.normal(size=(2, 12)), rng, **USUAL) for _ in range(100)]
    covered = np.mean([one.ci_low <= 0 <= one.ci_high for one in found])
    assert covered > 0.8  # 95 % is what is aimed at; a percentile bootstrap of 12 things is narrower


@pytest.mark.parametrize("values", [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([], [])])
def test_what_has_no_order_has_no_tau(rng, values):
    assert rank_correlation(*values, rng, **USUAL) is None


@pytest.mark.parametrize("values", [([1, 2, 3], [1, 2]), ([1, 2, np.nan], [1, 2, 3])])
def test_what_cannot_be_paired_is_refused(rng, values):
    with pytest.raises(ValueError, match="expected"):
        rank_correlation(*values, rng, **USUAL)
