"""The labelled images of a split: what a probe or a classifier is tested on."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """n images with their classes, and where they are from."""

    dataset: str
    split: str  # in the data set's own words
    class_names: list[str]
    labels: np.ndarray  # (n,) int64, from 0
    index: np.ndarray  # (n,) int64, rows of the data set


def without_images(splits: Mapping[str, Sized]) -> str | None:
    """Which splits have no labelled images, in words; None where all have some.

    Args:
        splits: the labelled images of each, or their labels.
    """
    missing = [name for name, images in splits.items() if not len(images)]
    return f"no labelled images in the parts {', '.join(missing)}" if missing else None
