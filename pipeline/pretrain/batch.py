"""What one optimiser step sees."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """What one step sees. V global views, L local views, B images; h x w patches of a global crop."""

    global_crops: np.ndarray  # (V, B, 3, S, S) float32
    local_crops: np.ndarray  # (L, B, 3, s, s) float32
    masks: np.ndarray  # (V, B, h, w) bool, True = hidden from the student

    @property
    def flat_global_crops(self) -> np.ndarray:
        """(V B, 3, S, S): row v B + b is view v of image b."""
        return _flat(self.global_crops)

    @property
    def flat_local_crops(self) -> np.ndarray:
        """(L B, 3, s, s): row v B + b is view v of image b."""
        return _flat(self.local_crops)

    @property
    def flat_masks(self) -> np.ndarray:
        """(V B, h, w), in the order of `flat_global_crops`."""
        return _flat(self.masks)

    def part(self, index: int, num_parts: int) -> "Batch":
        """Part `index` of `num_parts` equal parts of the images."""
        size = self.masks.shape[1] // num_parts
        images = slice(index * size, (index + 1) * size)
        return Batch(self.global_crops[:, images], self.local_crops[:, images], self.masks[:, images])


def _flat(views: np.ndarray) -> np.ndarray:
    return views.reshape(-1, *views.shape[2:])
