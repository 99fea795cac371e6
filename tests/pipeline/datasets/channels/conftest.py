"""Default options of the readers, and an image with channels."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.datasets.channels.options import Options

_PLAIN = Options(
    num_channels=5, channel_axis=None, window_of_header=False, no_data_is_kept=False, max_pixels=10_000
)


@pytest.fixture
def options():
    """options(num_channels=5, ...): how files are read."""
    return lambda **changes: replace(_PLAIN, **changes)


@pytest.fixture
def bands() -> np.ndarray:
    """(6, 7, 5) uint16 with values above 8 bits."""
    return np.random.default_rng(0).integers(0, 65536, (6, 7, 5), dtype=np.uint16)
