"""The images of the monitor: a fixed sample of the training part."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.config.monitor import MonitorConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.training.random_generators import Purpose, generator


@dataclass(frozen=True)
class MonitorSample:
    """Rows of the data set, all in its training part; no image is in both."""

    bank: np.ndarray  # (N,) int64
    queries: np.ndarray  # (Q,) int64
    bank_labels: np.ndarray  # (N,) int64, -1 = none
    query_labels: np.ndarray  # (Q,) int64, likewise

    @cached_property
    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Positions in bank and queries that have labels; None if they are no task for k-NN."""
        bank, queries = np.flatnonzero(self.bank_labels >= 0), np.flatnonzero(self.query_labels >= 0)
        if not len(queries) or len(np.unique(self.bank_labels[bank])) < 2:
            return None
        return bank, queries


def draw_sample(dataset: PreparedDataset, config: MonitorConfig) -> MonitorSample:
    """Draw the sample with its own seed: the training's order and crops do not change.

    Raises:
        ValueError: there are too few training images.
    """
    train = dataset.indices("train")
    fewest, found = config.fewest_images, len(train)
    if found < fewest:
        raise ValueError(f"[monitor] needs {fewest} training images or more, found {found} in {dataset.name}")
    rng = generator(config.seed, Purpose.MONITOR_IMAGES, 0)
    drawn = rng.permutation(train)[: config.num_images]
    num_queries = len(drawn) // 4
    queries, bank = drawn[:num_queries], drawn[num_queries:]
    return MonitorSample(bank, queries, dataset.labels[bank], dataset.labels[queries])
