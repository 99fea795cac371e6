"""Renders crops of images with any number of float32 channels, without rounding.

Brightness and contrast change all channels alike; there are no transforms that need red, green and blue.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipeline.transforms.crop_parameters import ADJUSTMENTS, CropParameters

_TAILS = 3  # where the Gaussian is cut off, in sigmas


def render_channel_crops(
    images: Sequence[np.ndarray], parameters: CropParameters, size: int, *, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Crop, resize, flip, change brightness and contrast, blur and normalise, as `parameters` state.

    Args:
        images: (H, W, C) float32 each, of any sizes.
        parameters: of n crops.
        size: side of the crops, pixels.
        mean, std: (C,), in the images' own units.

    Returns:
        (n, C, size, size) float32.

    Raises:
        ValueError: the number of channels is not that of `mean`, or `parameters` ask for grey, solarize,
            saturation or hue.
    """
    if images and images[0].shape[2] != len(mean):
        raise ValueError(f"expected images of {len(mean)} channels, found {images[0].shape[2]}")
    _refuse_colour(parameters)
    crops = np.empty((len(parameters), len(mean), size, size), np.float32)
    for n in range(len(parameters)):
        crops[n] = _augmented(images[parameters.image[n]], parameters, n, size)
    mean, std = (np.asarray(values, np.float32)[:, None, None] for values in (mean, std))
    return (crops - mean) / std


def _refuse_colour(parameters: CropParameters) -> None:
    changed = parameters.jitter & ((parameters.saturation != 1) | (parameters.hue_shift != 0))
    if (parameters.grey | parameters.solarize | changed).any():
        raise ValueError(
            "grey, solarize, saturation and hue are of RGB in 8 bits; these images have channels"
        )


def _augmented(image: np.ndarray, parameters: CropParameters, n: int, size: int) -> np.ndarray:
    """(C, size, size) float32, not yet normalised."""
    x, y = parameters.window[n].tolist()
    crop = _resized(image, parameters.box[n].tolist(), parameters.resized[n].tolist())
    crop = crop[:, y : y + size, x : x + size]
    if parameters.flip[n]:
        crop = crop[:, :, ::-1]
    if parameters.jitter[n]:
        for adjustment in parameters.order[n]:
            crop = _adjusted(crop, parameters, n, ADJUSTMENTS[adjustment])
    if parameters.blur_sigma[n] > 0:
        crop = _blurred(crop, float(parameters.blur_sigma[n]))
    return crop


def _resized(image: np.ndarray, box: list[int], size: list[int]) -> np.ndarray:
    """The box of (H, W, C), resized with Pillow's antialiased bicubic filter: (C, height, width) float32."""
    left, top, width, height = box
    height_all, width_all, num_channels = image.shape
    # Pixels outside the box that the filter reads.
    across, down = (math.ceil(2 * max(a / b, 1)) + 1 for a, b in zip((width, height), size, strict=True))
    columns = slice(max(left - across, 0), min(left + width + across, width_all))
    rows = slice(max(top - down, 0), min(top + height + down, height_all))
    planes = np.ascontiguousarray(image[rows, columns].transpose(2, 0, 1))
    x, y = left - columns.start, top - rows.start
    resized = np.empty((num_channels, size[1], size[0]), np.float32)
    for channel, plane in enumerate(planes):
        picture = Image.fromarray(plane)  # of mode F: computed and kept as float32
        resized[channel] = picture.resize(size, Image.Resampling.BICUBIC, box=(x, y, x + width, y + height))
    return resized


def _adjusted(crop: np.ndarray, parameters: CropParameters, n: int, adjustment: str) -> np.ndarray:
    if adjustment == "brightness":
        return crop * parameters.brightness[n]
    if adjustment == "contrast":
        mean = crop.mean(axis=(1, 2), keepdims=True)
        return mean + (crop - mean) * parameters.contrast[n]
    return crop


def _blurred(crop: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of every channel, with edge padding. (C, S, S) -> (C, S, S)."""
    reach = math.ceil(_TAILS * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    size = crop.shape[1]
    down = np.pad(crop, ((0, 0), (reach, reach), (0, 0)), "edge")
    crop = sum(weight * down[:, k : k + size] for k, weight in enumerate(weights))
    across = np.pad(crop, ((0, 0), (0, 0), (reach, reach)), "edge")
    return sum(weight * across[:, :, k : k + size] for k, weight in enumerate(weights))
