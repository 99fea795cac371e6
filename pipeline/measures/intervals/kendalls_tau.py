"""Agreement of two orders of the same items: Kendall's tau, with a bootstrap interval over the items."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import kendalltau

from pipeline.measures.intervals.percentiles import percentile_interval

FEWEST = 3  # two items are in the same or in the opposite order, with nothing in between


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's tau-b in -1..1."""

    tau: float
    ci_low: float
    ci_high: float
    p_value: float  # of the hypothesis that the orders are independent, exact without ties
    count: int  # number of items

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def rank_correlation(
    first: Sequence[float],
    second: Sequence[float],
    rng: np.random.Generator,
    *,
    num_bootstrap: int,
    confidence: float,
) -> RankCorrelation | None:
    """Tau-b of two orders; None for fewer than three items, or if all values of one side are equal.

    The interval is a percentile bootstrap: the items, each with both its values, are resampled with
    replacement. Resamples in which one side has a single value have no tau and are left out.

    Raises:
        ValueError: lengths differ, or a value is not finite.

    Source: Kendall 1945 (ties) by scipy.stats.kendalltau; Efron and Tibshirani 1993, chapter 13.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"expected two vectors of one length, found {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError(f"expected finite values, found {first.tolist()} and {second.tolist()}")
    if len(first) < FEWEST:
        return None
    result = kendalltau(first, second)
    if not np.isfinite(result.statistic):
        return None
    drawn = rng.integers(0, len(first), (num_bootstrap, len(first)))
    taus = _taus(first[drawn], second[drawn])
    low, high = percentile_interval(taus[np.isfinite(taus)], confidence)
    return RankCorrelation(float(result.statistic), low, high, float(result.pvalue), len(first))


def _taus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Tau-b of every row, NaN if undefined: (R, n), (R, n) -> (R,)."""
    pairs = np.triu_indices(first.shape[1], 1)
    signs = [np.sign(values[:, pairs[0]] - values[:, pairs[1]]) for values in (first, second)]
    untied = [np.abs(sign).sum(axis=1) for sign in signs]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (signs[0] * signs[1]).sum(axis=1) / np.sqrt(untied[0] * untied[1])
