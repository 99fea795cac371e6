"""Boxes to test with."""

import numpy as np
import pytest


@pytest.fixture
def random_boxes(rng):
    """random_boxes(n, extent): (n, 4) float32 with sides from 5 % to 60 % of the extent, inside of it."""

    def draw(num_boxes: int, extent: float) -> np.ndarray:
        sides = rng.uniform(0.05, 0.6, (num_boxes, 2)) * extent
        corners = rng.uniform(0, 1, (num_boxes, 2)) * (extent - sides)
        return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)

    return draw
