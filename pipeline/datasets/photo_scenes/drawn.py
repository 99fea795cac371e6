"""The result of drawing a data set."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DrawnScenes:
    """Images of every split with their annotations. Keys of the dicts: "train", "val", "test"."""

    images: dict[str, np.ndarray]  # (n, S, S, 3) uint8
    labels: dict[str, np.ndarray]  # (n,) int64; -1 if an image shows several classes
    class_names: tuple[str, ...]
    card: dict[str, Any]  # origin of the pixels, licences, settings
    label_maps: dict[str, np.ndarray] = field(default_factory=dict)  # mosaics: (n, S, S) uint8 class
    annotations: dict[str, dict[str, Any]] = field(default_factory=dict)  # objects: COCO-like, see objects.py
