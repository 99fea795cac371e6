"""The order of training images: random permutations, one per epoch."""

from functools import lru_cache

import numpy as np

from pipeline.training.random_generators import Purpose, generator


def rows_of_step(
    rows: np.ndarray, step: int, batch_size: int, *, seed: int, purpose: Purpose = Purpose.ORDER
) -> np.ndarray:
    """The rows of one step. Epochs are permutations laid end to end, so every image occurs equally often.

    A function of (seed, purpose, step): a resume needs no saved state. If there are fewer images than a batch
    has, they occur in it several times.

    Args:
        rows: (n,) of the training images, n >= 1.

    Returns:
        (batch_size,).

    Raises:
        ValueError: no rows.
    """
    if not len(rows):
        raise ValueError("no images to train on")
    epochs, offsets = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), len(rows))
    chosen = np.empty(batch_size, rows.dtype)
    for epoch in np.unique(epochs):
        order = _permutation(seed, purpose, int(epoch), len(rows))
        inside = epochs == epoch
        chosen[inside] = rows[order[offsets[inside]]]
    return chosen


@lru_cache(maxsize=2)  # a step may straddle two epochs; over millions of images each takes a second
def _permutation(seed: int, purpose: Purpose, epoch: int, count: int) -> np.ndarray:
    """A permutation of range(count) for an epoch, in the smallest sufficient dtype."""
    order = np.arange(count, dtype=np.min_scalar_type(count))
    generator(seed, purpose, epoch).shuffle(order)
    order.flags.writeable = False
    return order
