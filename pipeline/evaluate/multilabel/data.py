"""Checks that images with any number of classes can be trained and tested on."""

from collections.abc import Mapping

import numpy as np

from pipeline.evaluate.feature_files import SplitFeatures
from pipeline.measures.labelled_images import without_images


def has_classes(part: SplitFeatures | None) -> bool:
    """Whether any image of a part has a class."""
    return part is not None and bool((part.labels == 1).any())


def why_no_scores(dataset: str, labels: Mapping[str, np.ndarray]) -> str | None:
    """Why a data set cannot be used for a probe; None if it can.

    Args:
        labels: (n, K) of each part needed, n = 0 if it has no labelled images; "train" among them.
    """
    if missing := without_images(labels):
        return f"no probe of {dataset}: {missing}"
    if empty := [name for name, of_part in labels.items() if not (of_part == 1).any()]:
        return f"no probe of {dataset}: no image has a class in the parts {', '.join(empty)}"
    if not (labels["train"] == 0).any():
        return f"no probe of {dataset}: every training image has every class"
    return None
