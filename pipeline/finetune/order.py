"""Which images a step sees."""

import numpy as np

from pipeline.streams import Stream, generator


def training_rows(rows: np.ndarray, seed: int, step: int, batch_size: int) -> np.ndarray:
    """The rows of one step: epochs are permutations laid end to end, so every image comes equally often.

    A function of (seed, step): nothing has to be remembered over a resume. A set smaller than a batch comes
    several times in one.

    Args:
        rows: (n,) of the training images, n >= 1.

    Returns:
        (batch_size,).

    Raises:
        ValueError: no rows.
    """
    if not len(rows):
        raise ValueError("no images to train on")
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = places // len(rows)
    orders = {
        epoch: generator(seed, Stream.DENSE_ORDER, int(epoch)).permutation(len(rows))
        for epoch in np.unique(epochs)
    }
    chosen = [orders[epoch][place] for epoch, place in zip(epochs, places % len(rows), strict=True)]
    return rows[np.array(chosen)]
