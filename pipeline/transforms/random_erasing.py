"""Random erasing: replaces a box of some images by noise."""

import numpy as np

from pipeline.transforms.crop_parameters import random_boxes

_AREA = (0.02, 1 / 3)  # share of the image
_ASPECT_RATIO = (0.3, 1 / 0.3)


def erase(rng: np.random.Generator, images: np.ndarray, probability: float) -> None:
    """Replace a box of some images by standard normal noise, in place.

    Args:
        images: (n, C, H, W) float32, normalised.
        probability: of erasing, for each image.

    Source: Zhong et al., "Random Erasing Data Augmentation" (2020), in timm's form "pixel" that MAE's
    fine-tuning uses: one box, noise for each pixel and channel.
    """
    erased = np.flatnonzero(rng.random(len(images)) < probability)
    sizes = np.tile(images.shape[2:], (len(erased), 1))
    boxes = random_boxes(rng, sizes, scale=_AREA, aspect_ratio=_ASPECT_RATIO)
    for i, (left, top, width, height) in zip(erased, boxes.tolist(), strict=True):
        noise = rng.standard_normal((images.shape[1], height, width), dtype=np.float32)
        images[i, :, top : top + height, left : left + width] = noise
