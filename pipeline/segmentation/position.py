"""A baseline that ignores the image: it predicts at each position the most frequent class there."""

from collections.abc import Iterable

import numpy as np

from pipeline.datasets.targets import IGNORED

_GRID = 64  # positions along each side; label maps of any size are resized to it


def most_frequent_classes(label_maps: Iterable[np.ndarray], num_classes: int) -> np.ndarray:
    """The most frequent class at each position; the lowest of equally frequent ones.

    Args:
        label_maps: (H, W) integers in 0..num_classes - 1 or IGNORED each, of any sizes.

    Returns:
        (64, 64) int16. Where all maps are ignored, the class that is most frequent overall.
    """
    positions = np.arange(_GRID**2)
    counts = np.zeros((num_classes, len(positions)), np.int64)
    for label_map in label_maps:
        classes = resized(label_map, _GRID, _GRID).ravel()
        known = classes != IGNORED
        counts[classes[known], positions[known]] += 1
    best = np.where(counts.any(axis=0), counts.argmax(axis=0), counts.sum(axis=1).argmax())
    return best.reshape(_GRID, _GRID).astype(np.int16)


def resized(label_map: np.ndarray, height: int, width: int) -> np.ndarray:
    """A label map (H, W), resized to (height, width) by the nearest neighbour."""
    rows, columns = (
        ((np.arange(length) + 0.5) * whole / length).astype(int)
        for length, whole in zip((height, width), label_map.shape, strict=True)
    )
    return label_map[rows[:, None], columns]
