"""Training views of a classifier: crop, flip, RandAugment, normalise, erase."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.config.finetune import ClassificationViewConfig
from pipeline.transforms.crop_parameters import plain_parameters, random_boxes
from pipeline.transforms.rand_augment import rand_augment
from pipeline.transforms.random_erasing import erase
from pipeline.transforms.rendering import has_channels, image_sizes, render_crops

_AS_LEVELS = {"mean": np.zeros(3), "std": np.full(3, 1 / 255)}  # a normalisation that keeps 0..255


def training_views(
    rng: np.random.Generator,
    images: Sequence[np.ndarray],
    config: ClassificationViewConfig,
    *,
    mean: np.ndarray,
    std: np.ndarray,
) -> np.ndarray:
    """One augmented view of each image; RandAugment only for 8-bit RGB.

    Args:
        images, mean, std: see `render_crops`.

    Returns:
        (B, 3 or C, S, S) float32, S = `config.image_size`.

    Source: MAE's fine-tuning, with the steps in the same order.
    """
    sizes, size = image_sizes(images), config.image_size
    boxes = random_boxes(rng, sizes, scale=config.scale, aspect_ratio=config.aspect_ratio)
    parameters = replace(
        plain_parameters(np.arange(len(images)), boxes, size=size),
        flip=rng.random(len(images)) < config.flip_probability,
    )
    if has_channels(images):
        views = render_crops(images, parameters, size, mean=mean, std=std)
    else:
        crops = _levels(render_crops(images, parameters, size, **_AS_LEVELS))
        views = _normalised(rand_augment(rng, crops, config, mean=mean), mean, std)
    erase(rng, views, config.erase_probability)
    return views


def _levels(crops: np.ndarray) -> np.ndarray:
    """(B, 3, S, S) float32 with integers from 0 to 255 -> (B, S, S, 3) uint8."""
    levels = np.empty((len(crops), *crops.shape[2:], 3), np.uint8)
    for channel in range(3):
        np.copyto(levels[..., channel], np.rint(crops[:, channel]), casting="unsafe")
    return levels


def _normalised(levels: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32, by a lookup table for each channel."""
    views = np.empty((len(levels), 3, *levels.shape[1:3]), np.float32)
    for channel in range(3):
        table = ((np.arange(256) / 255 - mean[channel]) / std[channel]).astype(np.float32)
        np.take(table, levels[..., channel], out=views[:, channel], mode="clip")  # "raise" makes a copy
    return views
