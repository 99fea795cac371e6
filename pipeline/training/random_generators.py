"""One random generator for every purpose and step: nothing about random state has to be saved.

A generator's numbers depend on (seed, purpose, step) only, so a resumed run draws what an
uninterrupted one would, and two arms at one seed see the same images, crops and masks.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What randomness is used for."""

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
    """The generator of one purpose at one step (for the orders: one epoch, or a window of one)."""
    return np.random.default_rng((seed, int(purpose), *index))
