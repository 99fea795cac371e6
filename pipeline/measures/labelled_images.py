"""The labelled images of a split, on which a probe or a classifier is tested."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """n images with their classes, and their origin."""

    dataset: str
    split: str  # as named by the data set
    class_names: list[str]
    labels: np.ndarray  # (n,) int64, from 0
    index: np.ndarray  # (n,) int64, rows of the data set


def without_images(splits: Mapping[str, Sized]) -> str | None:
    """The splits without labelled images, as a sentence; None if all have some.

    Args:
        splits: the labelled images of each, or their labels.
    """
    missing = [name for name, images in splits.items() if not len(images)]
    return f"no labelled images in the parts {', '.join(missing)}" if missing else None
