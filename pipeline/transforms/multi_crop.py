"""Multi-crop: two or more global crops and several local crops of each image.

Shapes: V global crops of S pixels, L local crops of s pixels, B images of C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.data import CropConfig
from pipeline.transforms.crop_parameters import CropParameters, draw_crop_parameters, of_images
from pipeline.transforms.rendering import image_sizes, render_crops


@dataclass(frozen=True)
class MultiCrop:
    """The rendered crops: global_crops (V, B, C, S, S), local_crops (L, B, C, s, s), float32."""

    global_crops: np.ndarray
    local_crops: np.ndarray


@dataclass(frozen=True)
class Views:
    """The parameters of the B crops of each view."""

    global_crops: list[CropParameters]  # V
    local_crops: list[CropParameters]  # L

    def of_images(self, part: slice) -> "Views":
        """The parameters of the images in `part`, with indices relative to its start."""
        return Views(
            [of_images(each, part) for each in self.global_crops],
            [of_images(each, part) for each in self.local_crops],
        )


def draw_views(rng: np.random.Generator, sizes: np.ndarray, config: CropConfig) -> Views:
    """Draw all random parameters of the views.

    Args:
        sizes: (B, 2) int, height and width of each image, pixels.
    """
    roles = [0] + [1] * (config.num_global - 1)
    return Views(
        [draw_crop_parameters(rng, sizes, config, size=config.global_size, role=role) for role in roles],
        [
            draw_crop_parameters(rng, sizes, config, size=config.local_size, role=2)
            for _ in range(config.num_local)
        ],
    )


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
        images, mean, std: see `render_crops`.

    Source: Caron et al., "SwAV" (2020), multi-crop; Zhou et al., "iBOT" (ICLR 2022), augmentation.
    """
    return render_views(images, draw_views(rng, image_sizes(images), config), config, mean=mean, std=std)


def render_views(
    images: Sequence[np.ndarray], views: Views, config: CropConfig, *, mean: np.ndarray, std: np.ndarray
) -> MultiCrop:
    """Render views drawn with `draw_views`; other arguments as of `multi_crop`."""

    def crops(parameters: list[CropParameters], size: int) -> np.ndarray:
        made = np.empty((len(parameters), len(images), len(mean), size, size), np.float32)
        for view, each in enumerate(parameters):
            made[view] = render_crops(images, each, size, mean=mean, std=std)
        return made

    return MultiCrop(
        global_crops=crops(views.global_crops, config.global_size),
        local_crops=crops(views.local_crops, config.local_size),
    )
