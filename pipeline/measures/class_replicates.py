"""Scores of each class on resamples of the test images, for the intervals in the report.

Shapes: R resamples, the same as those of the task's metrics, K classes.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.storage.files import replacing

CLASS_REPLICATES = "class_replicates.npz"


def write_class_replicates(folder: Path, measures: Mapping[str, np.ndarray]) -> None:
    """Write class_replicates.npz.

    Args:
        measures: name of a column of per_class.csv -> (R, K), NaN if a resample lacks the class.
    """
    with replacing(folder / CLASS_REPLICATES) as partial, open(partial, "wb") as stream:
        np.savez_compressed(stream, **{name: each.astype(np.float32) for name, each in measures.items()})


def read_class_replicates(folder: Path, measure: str) -> np.ndarray | None:
    """(R, K) of a measure; None if its stage wrote none."""
    path = folder / CLASS_REPLICATES
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return stored[measure] if measure in stored.files else None
