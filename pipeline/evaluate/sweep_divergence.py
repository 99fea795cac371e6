"""Finds where the classifiers of a sweep became non-finite, once all of its rates have diverged."""

from collections.abc import Mapping

import numpy as np

from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.linear_probe import train_sweep
from pipeline.evaluate.probes.settings import LinearConfig

_MOST_IMAGES = 8  # named in the message


class _NonFiniteStep(Exception):
    """Ends the training at the batch that is sought."""


class _RecordedRows:
    """Features that record which rows were read last."""

    def __init__(self, features: np.ndarray | FeatureRows):
        self._features, self.shape = features, features.shape
        self.rows = np.empty(0, np.int64)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.rows = rows
        return self._features[rows]


class _StopAtNonFinite:
    """A checkpointer that saves nothing, and stops when the smallest rate's classifier is not finite."""

    def __init__(self, smallest: int):
        self._smallest = smallest
        self.step, self.tensor, self.numbers = 0, "", (0, 0)

    def restore(self, state: Mapping[str, np.ndarray]) -> int:
        return 0

    def save(self, state: Mapping[str, np.ndarray], num_batches: int) -> None:
        for name, array in state.items():
            of_rate = array[self._smallest]
            bad = of_rate.size - int(np.isfinite(of_rate).sum())
            if bad:
                self.step, self.tensor, self.numbers = num_batches, name, (bad, of_rate.size)
                raise _NonFiniteStep


def divergence(
    features: np.ndarray | FeatureRows,
    labels: np.ndarray,
    index: np.ndarray,
    config: LinearConfig,
    *,
    num_classes: int,
    rng: np.random.Generator,
) -> str:
    """Train again up to the batch after which the smallest rate's classifier is not finite, and describe it.

    Args:
        features, labels, num_classes, rng: as for `train_sweep`.
        index: (N,) rows of the data set.

    Returns:
        The step, its images, the tensor, and what to change.
    """
    lrs, every = config.base_lrs, "the linear probe diverged at every learning rate"
    smallest = int(np.argmin(lrs))
    recorded, monitor = _RecordedRows(features), _StopAtNonFinite(smallest)
    try:
        train_sweep(recorded, labels, config, num_classes=num_classes, rng=rng, checkpointer=monitor)
    except _NonFiniteStep:
        bad, size = monitor.numbers
        images = index[recorded.rows]
        named = ", ".join(map(str, images[:_MOST_IMAGES]))
        more = f" and {len(images) - _MOST_IMAGES} more" if len(images) > _MOST_IMAGES else ""
        return (
            f"{every}; at the smallest, {lrs[smallest]:g}, in step {monitor.step}: {bad} of {size} values of "
            f"{monitor.tensor} are not finite, after the images in rows {named}{more} of "
            "the data set; lower linear.base_lrs"
        )
    return (
        f"{every}, and the smallest did not when it was trained again: see whether this machine computes the "
        "same twice, as by `doit run doctor deep=yes`"
    )
