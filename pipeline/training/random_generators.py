"""One random generator per purpose and step, so that no random state has to be saved.

A generator's numbers depend on (seed, purpose, step) only: a resumed run draws the same numbers as an
uninterrupted one, and two arms with the same seed see the same images, crops and masks.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """The uses of random numbers."""

    ORDER = 1
    CROPS = 2
    MASKS = 3
    DROP_PATH = 4
    DENSE_ORDER = 5
    DENSE_VIEWS = 6
    DENSE_DROP_PATH = 7
    DENSE_SAMPLES = 8
    MONITOR_IMAGES = 9
    MONITOR_VIEWS = 10
    BLOCK_ORDER = 21
    WINDOW_ORDER = 22


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """The generator for a purpose at a step (for image orders: an epoch, or a window of an epoch)."""
    return np.random.default_rng((seed, int(purpose), *index))
