"""Intervals of the rows of a task and metric: of one arm, and of the paired difference of two.

With several seeds, the mean over seeds is resampled over images: the interval reflects the test images, and
the standard deviation the seeds.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.config.tables import TablesSection
from pipeline.measures.intervals.bootstrap import accuracy_interval, mean_interval
from pipeline.measures.intervals.centred import centred_interval
from pipeline.measures.intervals.crossed import crossed_interval
from pipeline.measures.rows import Row

ONE_SEED = 95  # one generator for every row of one seed: equal outcomes get equal intervals

Interval = tuple[float | None, float | None]


def value_interval(group: list[Row], settings: TablesSection) -> Interval:
    """Interval of the mean over seeds of one arm, clipped to the range 0..1 of a metric.

    Args:
        group: the arm's rows, one per seed.

    Returns:
        (low, high); (None, None) if a row has no outcomes and no replicates.
    """
    row = group[0]
    if len(group) == 1 and row.correct is not None:
        rng = np.random.default_rng(ONE_SEED)
        return accuracy_interval(
            row.correct, rng, num_bootstrap=row.num_bootstrap, confidence=settings.confidence
        )
    mean = float(np.mean([row.value for row in group]))
    low, high = _Outcomes.of(group).interval(mean, _generator(row), settings)
    if low is None:
        return None, None
    return max(low, 0.0), min(high, 1.0)  # a shifted or symmetric interval may leave 0..1


def difference_interval(group: list[Row], other: list[Row], settings: TablesSection) -> Interval:
    """Interval of the mean over seeds of `group` minus that of `other`; (None, None) as in `value_interval`.

    Paired by images, or by resamples of them. The seeds of the two sides may differ.
    """
    outcomes = _Outcomes.of(group).minus(_Outcomes.of(other))
    difference = float(np.mean([row.value for row in group]) - np.mean([row.value for row in other]))
    low, high = outcomes.interval(difference, _generator(group[0]), settings)
    if outcomes.replicates is not None and low is not None and _often_equal(outcomes.replicates, settings):
        return min(low, 0.0), max(high, 0.0)
    return low, high


def _often_equal(replicates: np.ndarray, settings: TablesSection) -> bool:
    """Whether the two sides are equal on more resamples than a tail of the interval holds.

    This is so if both are nearly perfect. Shifting such an interval, as `centred_interval` does, could shift
    it off 0, which would be wrong.
    """
    return bool(np.mean(replicates == 0) > (1 - settings.confidence) / 2)


def _generator(row: Row) -> np.random.Generator:
    """A generator per metric, so that an additional probe changes no interval of another."""
    return np.random.default_rng([*row.task.encode(), 0, *row.metric.encode()])


@dataclass(frozen=True, eq=False)
class _Outcomes:
    """Means over seeds of the data of an interval; all None if there are none."""

    per_image: np.ndarray | None  # (n,) whose mean is the metric
    replicates: np.ndarray | None  # (R,) the metric itself, on resamples of the images
    by_draw: np.ndarray | None  # (draws, n) whose mean is the metric

    @classmethod
    def of(cls, group: list[Row]) -> "_Outcomes":
        kinds = ("correct", "replicates", "by_draw")
        return cls(*(_mean([getattr(row, kind) for row in group]) for kind in kinds))

    def minus(self, other: "_Outcomes") -> "_Outcomes":
        """The paired difference, image by image, resample by resample, or draw by draw and image by image."""
        return _Outcomes(
            _minus(self.per_image, other.per_image),
            _minus(self.replicates, other.replicates),
            _minus(self.by_draw, other.by_draw),
        )

    def interval(self, value: float, rng: np.random.Generator, settings: TablesSection) -> Interval:
        """The interval of `value`, the metric on the images themselves."""
        if self.per_image is not None:
            return mean_interval(
                self.per_image, rng, num_bootstrap=settings.num_bootstrap, confidence=settings.confidence
            )
        if self.replicates is not None:
            return centred_interval(self.replicates, value, confidence=settings.confidence)
        if self.by_draw is not None and self.by_draw.shape[1] > 1:
            return crossed_interval(self.by_draw, confidence=settings.confidence)
        return None, None


def _mean(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    return None if any(array is None for array in arrays) else np.mean(arrays, axis=0)


def _minus(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return None if first is None or second is None or first.shape != second.shape else first - second
