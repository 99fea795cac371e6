"""The images on which base and auxiliary head are compared: not trained on, if there are any such."""

import numpy as np

from pipeline.datasets.prepared import PreparedDataset

NUM_IMAGES = 64  # enough that CKA varies less between draws of images than between heads


def held_out_rows(dataset: PreparedDataset) -> tuple[str, np.ndarray]:
    """The first non-empty part of val, test and train, and up to NUM_IMAGES rows spaced evenly over it."""
    part = next(name for name in ("val", "test", "train") if len(dataset.indices(name)))
    rows = dataset.indices(part)
    places = np.linspace(0, len(rows) - 1, min(NUM_IMAGES, len(rows))).round().astype(int)
    return part, rows[np.unique(places)]
