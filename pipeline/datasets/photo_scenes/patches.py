"""Patches: one crop of one photograph per image; the class is the photograph."""

import numpy as np

from pipeline.datasets.photo_scenes.textures import Textures, cut, image_rng


def draw_patches(
    textures: Textures, *, split: str, num_images: int, size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw patches of each class in turn, so that class counts differ by one at most.

    Returns:
        images (num_images, size, size, 3) uint8 and labels (num_images,) int64.
    """
    labels = np.arange(num_images, dtype=np.int64) % textures.num_classes
    images = np.empty((num_images, size, size, 3), np.uint8)
    for index, label in enumerate(labels):
        rng = image_rng(seed, "patches", split, index)
        images[index] = cut(rng, textures, label=int(label), split=split, size=size)
    return images, labels
