"""Rank correlation of two columns over the heads."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config.studies import StudyConfig
from pipeline.measures.intervals.kendalls_tau import FEWEST, RankCorrelation, rank_correlation
from pipeline.studies.comparison import Line


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau between two columns, over the heads that have both."""

    score: str
    gain: str
    count: int
    correlation: RankCorrelation | None  # None: too few heads, or a column of equal values

    def as_dict(self) -> dict[str, Any]:
        """The values for JSON."""
        values = self.correlation.as_dict() if self.correlation else {"tau": None}
        return {"score": self.score, "gain": self.gain, "count": self.count} | values

    def sentence(self, confidence: float) -> str:
        """The correlation and its verdict, for readers of the table."""
        start = f"Kendall's tau, {self.score} against {self.gain}, {self.count} heads: "
        if self.correlation is None:
            return f"{start}none (fewer than {FEWEST} heads, or all of them equal in one)"
        tau, low, high = self.correlation.tau, self.correlation.ci_low, self.correlation.ci_high
        verdict = "nothing shown"
        # Of a few heads in perfect order every resample is too, though it may be chance: so p counts as well.
        if self.correlation.p_value < 1 - confidence and (low > 0 or high < 0):
            verdict = "the orders agree" if low > 0 else "the orders are opposite"
        interval = f"[{low:+.2f}, {high:+.2f}] ({100 * confidence:g} %)"
        return f"{start}{tau:+.2f} {interval}, p = {self.correlation.p_value:.2g}: {verdict}"


def agreement(lines: list[Line], score: str, gain: str, config: StudyConfig) -> Agreement:
    """Kendall's tau of the two columns, over the lines that have both."""
    pairs = [(line[score], line[gain]) for line in lines
             if line.get(score) is not None and line.get(gain) is not None]  # fmt: skip
    # Each pair of columns has its own random generator: adding a column changes no other interval.
    rng = np.random.default_rng([*score.encode(), 0, *gain.encode()])
    correlation = rank_correlation(
        [first for first, _ in pairs],
        [second for _, second in pairs],
        rng,
        num_bootstrap=config.num_bootstrap,
        confidence=config.confidence,
    )
    return Agreement(score, gain, len(pairs), correlation)
