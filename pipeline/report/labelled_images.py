"""The labelled images of a split: what a probe or a classifier is held against."""

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
