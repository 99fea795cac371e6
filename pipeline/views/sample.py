"""Which images are looked at: a sample, however large the data set is."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.views import ViewsConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.overlays import samples


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a data set, evenly chosen; the same for every network."""

    part: str
    shown: np.ndarray  # (n,)
    bank: np.ndarray  # (m,); none where the shown images are training images themselves
    pictures: np.ndarray  # some of the shown


def drawn_sample(dataset: PreparedDataset, config: ViewsConfig) -> Sample:
    """From the first of test, val and train that has images; with training images beside it."""
    part = next(name for name in ("test", "val", "train") if len(dataset.indices(name)))
    train, shown = dataset.indices("train"), samples(dataset.indices(part), config.num_shown)
    bank = train[:0] if part == "train" else samples(train, config.num_bank)
    return Sample(part, shown, bank, samples(shown, config.num_pictures))
