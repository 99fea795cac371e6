"""Computes this project's own outputs for the images with which an export is checked."""

from pathlib import Path

import jittor as jt
import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.export.described_base import DescribedBase
from pipeline.models.backbone_file import FrozenBackbone
from pipeline.transforms.evaluation import center_crops


def checked_pixels(data: Path, base: DescribedBase, num_images: int) -> np.ndarray:
    """The first test images (else training images), cropped as in evaluation, not normalised.

    Args:
        data: folder of the prepared images.

    Returns:
        (B, 3, S, S) float32 in [0, 1].
    """
    dataset = PreparedDataset.open(data)
    rows = next(rows for split in ("test", "val", "train") if len(rows := dataset.indices(split)))
    images = [dataset.image(int(row), at_least=base.resize) for row in rows[:num_images]]
    zeros, ones = np.zeros(3, np.float32), np.ones(3, np.float32)
    return center_crops(images, base.resize, base.config.image_size, mean=zeros, std=ones)


def computed_here(
    frozen: FrozenBackbone, base: DescribedBase, pixels: np.ndarray, *, normed_patches: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Global vectors (B, D), and patches of the last map (B, h, h, D), after the final norm or before it."""
    mean, std = (values.reshape(1, 3, 1, 1) for values in (base.mean, base.std))
    with jt.no_grad():
        tokens = frozen.network(jt.array((pixels - mean) / std))
    patches = tokens.patches if normed_patches else tokens.feature_map
    shape = (len(pixels), *base.config.grid, base.config.dim)
    return tokens.cls.numpy(), patches.numpy().reshape(shape)
