"""Stochastic depth, drawn outside the network."""

import numpy as np


def drop_path_rates(drop_path_rate: float, base_depth: int, auxiliary_depth: int) -> np.ndarray:
    """Drop rate of every block, base first: linear from 0 to `drop_path_rate`, (base + auxiliary,).

    Source: HSSL released code: one line over base and head together, so that a base block is dropped slightly
    less often than in the baseline.
    """
    return np.linspace(0.0, drop_path_rate, base_depth + auxiliary_depth)


def drop_path_scales(
    rng: np.random.Generator, rates: np.ndarray, num_branches: int, num_images: int
) -> np.ndarray:
    """Factors of each block's branches: 0 (dropped) or 1 / (1 - rate).

    Returns:
        (blocks, num_branches, num_images) float32.
    """
    rates = rates[:, None, None]
    kept = rng.random((len(rates), num_branches, num_images)) >= rates
    return (kept / (1 - rates)).astype(np.float32)
