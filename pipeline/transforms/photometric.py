"""Photometric distortion for dense tasks: random brightness, contrast, saturation and hue.

Shapes: colours are (3, n) float32: R, G, B from 0 to 255 of n pixels.
"""

from dataclasses import dataclass

import numpy as np

_PROBABILITY = 0.5  # of each change
_MAX_BRIGHTNESS = 32.0  # added or subtracted, of 255
_FACTORS = (0.5, 1.5)  # of contrast, of saturation
_MAX_HUE_DEGREES = 36.0
_PIXELS_AT_ONCE = 1 << 14  # their colours and temporaries fit a processor's cache


@dataclass(frozen=True)
class Distortion:
    """Changes to an image, in this order; contrast is changed before saturation and hue, or after them."""

    brightness: float = 0.0  # added
    contrast: float = 1.0  # factor
    contrast_first: bool = True
    saturation: float = 1.0  # factor
    hue_degrees: float = 0.0  # added


def distorted(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Change each of brightness, contrast, saturation and hue with probability 1/2.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (H, W, 3) uint8.

    Source: the photometric distortion of SSD (Liu et al. 2016) with mmsegmentation's ranges. Deviations:
    colours are rounded once at the end, not after each change; the hue's shift is continuous.
    """
    return apply(drawn(rng), image)


def drawn(rng: np.random.Generator) -> Distortion:
    """Draw a random distortion; always takes the same number of values from `rng`."""
    brightness, contrast, saturation, hue = rng.random(4) < _PROBABILITY
    added, turned = rng.uniform(-_MAX_BRIGHTNESS, _MAX_BRIGHTNESS), rng.uniform(-1, 1) * _MAX_HUE_DEGREES
    contrast_factor, saturation_factor = rng.uniform(*_FACTORS, size=2)
    return Distortion(
        brightness=added if brightness else 0.0,
        contrast=contrast_factor if contrast else 1.0,
        contrast_first=bool(rng.random() < 0.5),
        saturation=saturation_factor if saturation else 1.0,
        hue_degrees=turned if hue else 0.0,
    )


def apply(distortion: Distortion, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (H, W, 3) uint8; `image` itself if nothing changes."""
    if distortion in (Distortion(), Distortion(contrast_first=False)):
        return image
    pixels = image.reshape(-1, 3)
    out = np.empty_like(pixels)
    for start in range(0, len(pixels), _PIXELS_AT_ONCE):
        part = slice(start, start + _PIXELS_AT_ONCE)
        colours = _changed(distortion, pixels[part].T.astype(np.float32, order="C"))
        out[part] = (colours + np.float32(0.5)).T
    return out.reshape(image.shape)


def _changed(distortion: Distortion, colours: np.ndarray) -> np.ndarray:
    colours = _brightened(colours, distortion.brightness)
    if distortion.contrast_first:
        colours = _contrasted(colours, distortion.contrast)
    if distortion.saturation != 1:
        colours = _saturated(colours, distortion.saturation)
    if distortion.hue_degrees:
        colours = _turned(colours, distortion.hue_degrees)
    return colours if distortion.contrast_first else _contrasted(colours, distortion.contrast)


def _brightened(colours: np.ndarray, added: float) -> np.ndarray:
    return np.clip(colours + np.float32(added), 0, 255) if added else colours


def _contrasted(colours: np.ndarray, factor: float) -> np.ndarray:
    """Colours with changed contrast, which this protocol defines as a factor on all channels."""
    return np.minimum(colours * np.float32(factor), 255) if factor != 1 else colours


def _saturated(colours: np.ndarray, factor: float) -> np.ndarray:
    """Colours with HSV saturation times `factor`, at most 1; hue and value stay the same."""
    value, low = colours.max(axis=0), colours.min(axis=0)
    chroma = value - low
    # At full saturation the lowest channel is 0.
    factors = np.minimum(np.float32(factor), value / np.maximum(chroma, np.float32(1e-6)))
    return value - (value - colours) * factors


def _turned(colours: np.ndarray, degrees: float) -> np.ndarray:
    """Colours with HSV hue shifted by `degrees`, from -60 to 60; saturation and value stay the same."""
    red, green, blue = colours
    value, low = colours.max(axis=0), colours.min(axis=0)
    chroma = value - low
    hue = np.where(value == green, blue - red, red - green)
    hue = np.where(value == red, green - blue, hue) / np.maximum(chroma, np.float32(1e-6))
    # In sixths of the circle: red 0, green 2, blue 4.
    hue += np.where(value == red, np.float32(0), np.where(value == green, np.float32(2), np.float32(4)))
    hue += np.float32(degrees / 60)
    hue += np.where(hue < 0, np.float32(6), np.float32(0))
    hue -= np.where(hue >= 6, np.float32(6), np.float32(0))
    shares = np.stack([np.abs(hue - 3) - 1, 2 - np.abs(hue - 2), 2 - np.abs(hue - 4)])
    return low + chroma * np.clip(shares, 0, 1)
