"""The order in which fine-tuning sees the images."""

import numpy as np

from pipeline.training.image_order import rows_of_step
from pipeline.training.random_generators import Purpose


def training_rows(rows: np.ndarray, seed: int, step: int, batch_size: int) -> np.ndarray:
    """The step's batch of the training images `rows` (n,): (batch_size,) rows; see `rows_of_step`."""
    return rows_of_step(rows, step, batch_size, seed=seed, purpose=Purpose.DENSE_ORDER)
