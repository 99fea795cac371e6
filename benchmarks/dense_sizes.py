"""Sizes and files shared by the programs that measure a dense step."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.config.experiment import Experiment
from pipeline.config.reading import read_experiment
from pipeline.detection.targets import GroundTruth

NUM_CLASSES = 15  # of photo-scenes
LR, WEIGHT_DECAY = 1e-4, 0.05
FIRST = "first.safetensors"  # weights before the first step, by the project's names
BATCH = "batch.npz"  # images, and either label_maps or the arrays of `truth_arrays` and sample_seeds


def dense_experiment(parameters: Mapping[str, Any]) -> Experiment:
    """The experiment with a row's sizes.

    Args:
        parameters: `preset`, of `quickstart` if there is none; `changes`, dotted key -> value.
    """
    return read_experiment(parameters.get("preset", "quickstart"), parameters.get("changes"))


def truth_arrays(truths: list[GroundTruth]) -> dict[str, np.ndarray]:
    """boxes (B, m, 4), classes (B, m) and masks (B, m, H, W) of images with m objects each and no crowd."""
    return {
        name: np.stack([getattr(truth, name) for truth in truths]) for name in ("boxes", "classes", "masks")
    }


def truths_of(arrays: Mapping[str, np.ndarray]) -> list[GroundTruth]:
    """Inverse of `truth_arrays`."""
    nothing = np.zeros((0, 4), np.float32)
    rows = zip(arrays["boxes"], arrays["classes"], arrays["masks"], strict=True)
    return [
        GroundTruth(boxes=boxes, classes=classes, crowds=nothing, masks=masks)
        for boxes, classes, masks in rows
    ]
