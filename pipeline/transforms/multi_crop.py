"""Images -> two or more large views and several small ones.

Shapes: V global crops of S pixels, L local crops of s pixels, B images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.data import CropConfig
from pipeline.transforms.crop_parameters import draw_crop_parameters
from pipeline.transforms.rendering import image_sizes, render_crops


@dataclass(frozen=True)
class MultiCrop:
    """global_crops: (V, B, 3, S, S) float32; local_crops: (L, B, 3, s, s) float32."""

    global_crops: np.ndarray
    local_crops: np.ndarray


def multi_crop(
    rng: np.random.Generator,
    images: Sequence[np.ndarray],
    config: CropConfig,
    *,
    mean: np.ndarray,
    std: np.ndarray,
) -> MultiCrop:
    """Augmented views of each image; crop v of image b is at [v, b].

    Args:
        images: (H, W, 3) uint8 each, of any sizes.
        mean, std: (3,) of the channels in [0, 1].

    Source: Caron et al., "SwAV" (2020), multi-crop; Zhou et al., "iBOT" (ICLR 2022), augmentation.
    """
    sizes = image_sizes(images)

    def views(count: int, size: int, roles: list[int]) -> np.ndarray:
        crops = np.empty((count, len(images), 3, size, size), np.float32)
        for view, role in zip(range(count), roles, strict=True):
            parameters = draw_crop_parameters(rng, sizes, config, size=size, role=role)
            crops[view] = render_crops(images, parameters, size, mean=mean, std=std)
        return crops

    return MultiCrop(
        global_crops=views(config.num_global, config.global_size, [0] + [1] * (config.num_global - 1)),
        local_crops=views(config.num_local, config.local_size, [2] * config.num_local),
    )
