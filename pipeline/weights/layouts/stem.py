"""Weights of convolutions with non-overlapping windows, as weights of a linear layer on each window."""

import numpy as np

from pipeline.weights.tensors import Tensors


def patch_side(tensors: Tensors, name: str) -> tuple[int, int]:
    """D and p, the patch's side in pixels, from the shape (D, 3, p, p) of the first layer's weight.

    Raises:
        WeightsError: the weight has another shape.
    """
    shape = tensors.shape(name, 4)
    if shape[1] != 3 or shape[2] != shape[3]:
        raise tensors.error(f"{name!r} has shape {shape}, expected (D, 3, p, p)")
    return shape[0], shape[2]


def columns_by_position(weight: np.ndarray) -> np.ndarray:
    """(D, C, k, k) -> (D, k k C) in the order row, column, channel, as in `windows_as_channels`."""
    return weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
