"""Renders normalised crops from images and crop parameters, with compiled kernels or else with Pillow."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np

from pipeline.native.build import BuildError
from pipeline.transforms import native
from pipeline.transforms.channel_crops import render_channel_crops
from pipeline.transforms.crop_parameters import CropParameters
from pipeline.transforms.plain import render_crops_plain


@cache
def implementation() -> Literal["native", "pillow"]:
    """The implementation in use. Both render the same crops, at different speeds."""
    try:
        native.load()
    except (BuildError, OSError):
        return "pillow"
    return "native"


def has_channels(images: Sequence[np.ndarray]) -> bool:
    """Whether images have float32 channels of any number, not 8-bit RGB."""
    return len(images) > 0 and images[0].dtype == np.float32


def image_sizes(images: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 2) int64, height and width of each image.

    Raises:
        ValueError: an image is empty, or is not (H, W, 3) uint8 or (H, W, C) float32 like the first one.
    """
    dtype, channels = (np.float32, images[0].shape[2:]) if has_channels(images) else (np.uint8, (3,))
    for i, image in enumerate(images):
        if image.dtype != dtype or image.ndim != 3 or image.shape[2:] != channels or not image.size:
            expected = f"(H, W, {channels[0]}) {np.dtype(dtype)}" if channels else "(H, W, C) float32"
            found = f"{image.shape} {image.dtype}"
            raise ValueError(f"image {i} of the batch: expected {expected}, found {found}")
    return np.array([image.shape[:2] for image in images], np.int64).reshape(-1, 2)


def render_crops(
    images: Sequence[np.ndarray], parameters: CropParameters, size: int, *, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Crop, resize, augment and normalise.

    Args:
        images: (H, W, 3) uint8 or (H, W, C) float32 each, of any sizes; not modified.
        parameters: of n crops.
        size: side of the crops, pixels.
        mean, std: (3,) of the channels in [0, 1]; for float32 images (C,), in their own units.

    Returns:
        (n, 3 or C, size, size) float32.
    """
    check_parameters(image_sizes(images), parameters, size)
    if has_channels(images):
        return render_channel_crops(images, parameters, size, mean=mean, std=std)
    images = [np.ascontiguousarray(image) for image in images]
    scale, bias = scale_and_bias(mean, std)
    render = native.render_crops_native if implementation() == "native" else render_crops_plain
    return render(images, parameters, size, scale=scale, bias=bias)


def scale_and_bias(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and bias, (3,) float32 each, with which a level v of 0..255 is normalised: v * scale + bias."""
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def check_parameters(sizes: np.ndarray, parameters: CropParameters, size: int) -> None:
    """Check that all crops lie within their images: the kernels trust their arguments.

    Args:
        sizes: (n, 2) int, height and width of each image, pixels.
        size: side of the crops, pixels.

    Raises:
        ValueError: a crop is of an image that does not exist, or its box or window reaches beyond the image.
    """
    if size < 1 or (len(parameters) and not len(sizes)):
        raise ValueError(f"cannot cut {len(parameters)} crops of {size} pixels from {len(sizes)} images")
    if ((parameters.image < 0) | (parameters.image >= len(sizes))).any():
        raise ValueError(f"crop parameters name images beyond the {len(sizes)} given")
    corner, extent = parameters.box[:, :2], parameters.box[:, 2:]
    limits = sizes[parameters.image][:, ::-1]
    if (corner < 0).any() or (extent < 1).any() or (corner + extent > limits).any():
        raise ValueError("a crop's box reaches outside its image")
    if (parameters.window < 0).any() or (parameters.window + size > parameters.resized).any():
        raise ValueError(f"a crop of {size} pixels reaches outside the resized box")
