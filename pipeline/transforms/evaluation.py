"""The central crop from which features are computed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.transforms.crop_parameters import plain_parameters
from pipeline.transforms.rendering import image_sizes, render_crops


def center_crops(
    images: Sequence[np.ndarray], resize: int, crop_size: int, *, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Resize the short side to `resize` pixels (antialiased bicubic), then crop the central square.

    Args:
        images, mean, std: see `render_crops`; smaller images are enlarged.

    Returns:
        (B, 3 or C, crop_size, crop_size) float32.

    Raises:
        ValueError: `resize` is smaller than `crop_size`.

    Source: the k-NN and linear protocols of DINO and iBOT (256, then 224).
    """
    if resize < crop_size:
        raise ValueError(f"resize must be at least crop_size, got {resize} and {crop_size}")
    sizes = image_sizes(images)
    # The long side is rounded down, as in torchvision.
    resized = (resize * sizes // sizes.min(axis=1, keepdims=True))[:, ::-1]
    boxes = np.concatenate([np.zeros_like(sizes), sizes[:, ::-1]], axis=1)
    parameters = replace(
        plain_parameters(np.arange(len(images)), boxes, size=crop_size),
        resized=resized.astype(np.int32),
        window=np.rint((resized - crop_size) / 2).astype(np.int32),
    )
    return render_crops(images, parameters, crop_size, mean=mean, std=std)
