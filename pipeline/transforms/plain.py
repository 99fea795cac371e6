"""Renders crops with Pillow and NumPy, step by step: the reference for native/augment.cpp."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from pipeline.transforms.crop_parameters import CropParameters


def render_crops_plain(
    images: Sequence[np.ndarray],
    parameters: CropParameters,
    size: int,
    *,
    scale: np.ndarray,
    bias: np.ndarray,
) -> np.ndarray:
    """See `pipeline.transforms.rendering.render_crops`; a channel value v becomes v * scale + bias."""
    crops = np.empty((len(parameters), 3, size, size), np.float32)
    for n in range(len(parameters)):
        pixels = np.asarray(_augmented(images[parameters.image[n]], parameters, n, size))
        crops[n] = pixels.transpose(2, 0, 1) * scale[:, None, None] + bias[:, None, None]
    return crops


def _augmented(pixels: np.ndarray, parameters: CropParameters, n: int, size: int) -> Image.Image:
    x, y = parameters.window[n].tolist()
    resized = _resized(Image.fromarray(pixels), parameters.box[n].tolist(), parameters.resized[n].tolist())
    image = resized.crop((x, y, x + size, y + size))
    if parameters.flip[n]:
        image = ImageOps.mirror(image)
    if parameters.jitter[n]:
        for adjustment in parameters.order[n]:
            image = _adjusted(image, parameters, n, adjustment)
    if parameters.grey[n]:
        image = image.convert("L").convert("RGB")
    if parameters.blur_sigma[n] > 0:
        image = image.filter(ImageFilter.GaussianBlur(float(parameters.blur_sigma[n])))
    if parameters.solarize[n]:
        image = ImageOps.solarize(image, threshold=128)
    return image


def _resized(image: Image.Image, box: list[int], size: list[int]) -> Image.Image:
    """Resize along x, then along y. Recent Pillow reverses this for tall images, which rounds differently."""
    left, top, width, height = box
    reach = math.ceil(2 * max(height / size[1], 1)) + 1  # rows outside the box that the cubic filter reads
    first, last = max(top - reach, 0), min(top + height + reach, image.height)
    rows = image.crop((0, first, image.width, last))
    bicubic = Image.Resampling.BICUBIC
    narrow = rows.resize((size[0], rows.height), bicubic, box=(left, 0, left + width, rows.height))
    return narrow.resize(size, bicubic, box=(0, top - first, size[0], top - first + height))


def _adjusted(image: Image.Image, parameters: CropParameters, n: int, adjustment: int) -> Image.Image:
    """`adjustment` indexes crop_parameters.ADJUSTMENTS."""
    if adjustment == 0:
        return ImageEnhance.Brightness(image).enhance(float(parameters.brightness[n]))
    if adjustment == 1:
        return ImageEnhance.Contrast(image).enhance(float(parameters.contrast[n]))
    if adjustment == 2:
        return ImageEnhance.Color(image).enhance(float(parameters.saturation[n]))
    hue, saturation, value = image.convert("HSV").split()
    # Hue is a byte that wraps at 256.
    turned = (np.asarray(hue, np.int32) + parameters.hue_shift[n]) & 255
    hue = Image.fromarray(turned.astype(np.uint8))
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")
