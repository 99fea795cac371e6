"""Masks as run lengths, in COCO's uncompressed form."""

from typing import Any

import numpy as np


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool -> {"size": [H, W], "counts": lengths of runs down the columns, zeros first}."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def decode_mask(encoded: dict[str, Any]) -> np.ndarray:
    """The (H, W) bool mask that `encode_mask` was given.

    Raises:
        ValueError: the runs do not add up to the size.
    """
    height, width = encoded["size"]
    counts = encoded["counts"]
    if sum(counts) != height * width:
        raise ValueError(f"runs add up to {sum(counts)} pixels, expected {height} x {width}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")
