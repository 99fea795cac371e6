"""Converts linear layers over windows that do not overlap to weights of convolutions."""

import numpy as np


def filters_by_channel(weight: np.ndarray, side: int) -> np.ndarray:
    """(D, k k C), each row by row, column, channel -> (D, C, k, k)."""
    return weight.reshape(len(weight), side, side, -1).transpose(0, 3, 1, 2)
