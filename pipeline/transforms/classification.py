"""Training views of a classifier: crop, flip, RandAugment, normalise, erase."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.config.finetune import ClassificationViewConfig
from pipeline.transforms.crop_parameters import plain_parameters, random_boxes
from pipeline.transforms.rand_augment import rand_augment
from pipeline.transforms.random_erasing import erase
from pipeline.transforms.rendering import image_sizes, render_crops

_AS_LEVELS = {"mean": np.zeros(3), "std": np.full(3, 1 / 255)}  # leaves pixels in 0..255


def training_views(
    rng: np.random.Generator,
    images: Sequence[np.ndarray],
    config: ClassificationViewConfig,
    *,
    mean: np.ndarray,
    std: np.ndarray,
) -> np.ndarray:
    """One augmented view of each image.

    Args:
        images: (H, W, 3) uint8 each, of any sizes.
        mean, std: (3,) of the channels in [0, 1].

    Returns:
        (B, 3, S, S) float32, S = `config.image_size`.

    Source: MAE's fine-tuning, in this order of steps.
    """
    sizes, size = image_sizes(images), config.image_size
    boxes = random_boxes(rng, sizes, scale=config.scale, aspect_ratio=config.aspect_ratio)
    parameters = replace(
        plain_parameters(np.arange(len(images)), boxes, size=size),
        flip=rng.random(len(images)) < config.flip_probability,
    )
    crops = np.rint(render_crops(images, parameters, size, **_AS_LEVELS)).astype(np.uint8)
    crops = rand_augment(rng, np.ascontiguousarray(crops.transpose(0, 2, 3, 1)), config, mean=mean)
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    views = crops.transpose(0, 3, 1, 2) * (1 / (255 * std))[:, None, None]
    views -= (mean / std)[:, None, None]
    erase(rng, views, config.erase_probability)
    return views
