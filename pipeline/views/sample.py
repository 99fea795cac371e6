"""The sample of images of the views: of fixed size, however large the data set is."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.views import ViewsConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.overlays import samples


@dataclass(frozen=True, eq=False)
class Sample:
    """Evenly spaced rows of a data set, the same for every network."""

    part: str
    shown: np.ndarray  # (n,)
    bank: np.ndarray  # (m,); empty if the shown images are training images
    pictures: np.ndarray  # a subset of `shown`


def drawn_sample(dataset: PreparedDataset, config: ViewsConfig) -> Sample:
    """A sample of the first of test, val and train that has images, and of training images as bank."""
    part = next(name for name in ("test", "val", "train") if len(dataset.indices(name)))
    train, shown = dataset.indices("train"), samples(dataset.indices(part), config.num_shown)
    bank = train[:0] if part == "train" else samples(train, config.num_bank)
    return Sample(part, shown, bank, samples(shown, config.num_pictures))
