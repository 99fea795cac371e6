"""RandAugment: random operations on every image, of similar severity.

An operation gets a severity from 0 to 1, and a sign that it ignores if it has no direction. Operations that
map the levels of each channel are lookup tables here; the others use Pillow.

Shapes: n images of H x W pixels, L operations each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from pipeline.config.finetune import ClassificationViewConfig

_MAX_MAGNITUDE = 10.0
_MAX_DEGREES = 30.0
_MAX_SHEAR = 0.3
_MAX_TRANSLATION = 0.45  # of the side
_MAX_ENHANCEMENT = 0.9  # factors lie in 1 +- this
_MAX_ADDED = 110  # levels
_LEVELS = np.arange(256)

Operation = Callable[[np.ndarray, float, int, tuple[int, int, int]], np.ndarray]


@dataclass(frozen=True)
class DrawnOperations:
    """The operations on n images, in their order."""

    kinds: np.ndarray  # (n, L) int, index into OPERATIONS
    applied: np.ndarray  # (n, L) bool
    severities: np.ndarray  # (n, L) float, 0 to 1
    signs: np.ndarray  # (n, L) int, -1 or 1


def rand_augment(
    rng: np.random.Generator, images: np.ndarray, config: ClassificationViewConfig, *, mean: np.ndarray
) -> np.ndarray:
    """Apply random operations to every image.

    Args:
        images: (n, H, W, 3) uint8; not modified.
        mean: (3,) of the channels in [0, 1]; fills the area that a rotation or shift leaves empty.

    Returns:
        (n, H, W, 3) uint8.

    Source: Cubuk et al., "RandAugment" (2020), in the form of timm's "rand-m9-mstd0.5-inc1" that MAE's
        fine-tuning uses: 15 operations, chosen with replacement, each applied with probability 1/2; the
        magnitude is normal around 9, clipped to 0..10, and severity increases with it; bicubic, filled with
        the mean colour.
    """
    drawn = draw_operations(rng, len(images), config)
    fill = tuple(round(255 * float(value)) for value in mean)
    operations = list(OPERATIONS.values())
    augmented = images.copy()
    for i in np.flatnonzero(drawn.applied.any(axis=1)):
        image = images[i]
        for k in np.flatnonzero(drawn.applied[i]):
            operation = operations[drawn.kinds[i, k]]
            image = operation(image, float(drawn.severities[i, k]), int(drawn.signs[i, k]), fill)
        augmented[i] = image
    return augmented


def draw_operations(
    rng: np.random.Generator, num_images: int, config: ClassificationViewConfig
) -> DrawnOperations:
    """Draw random operations, independent of the images."""
    shape = (num_images, config.num_operations)
    magnitudes = rng.normal(config.magnitude, config.magnitude_std, shape)
    return DrawnOperations(
        kinds=rng.integers(len(OPERATIONS), size=shape),
        applied=rng.random(shape) < config.operation_probability,
        severities=np.clip(magnitudes, 0, _MAX_MAGNITUDE) / _MAX_MAGNITUDE,
        signs=np.where(rng.random(shape) < 0.5, -1, 1),
    )


def _mapped(image: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Map channel c of every pixel by row c of `tables` (3, 256)."""
    return tables.astype(np.uint8).ravel().take(image + np.array([0, 256, 512], np.int16))


def _of_all_channels(table: Callable[[float], np.ndarray]) -> Operation:
    return lambda image, severity, sign, fill: _mapped(image, np.tile(table(severity), (3, 1)))


def posterized(severity: float) -> np.ndarray:
    """Table (256,) that keeps the highest 4 (mild) to 0 (severe) bits of a level."""
    dropped = 4 + int(4 * severity)
    return _LEVELS >> dropped << dropped


def solarized(severity: float) -> np.ndarray:
    """Table (256,) that inverts the levels from a threshold on, from 256 (none, mild) to 0 (all, severe)."""
    threshold = 256 - int(256 * severity)
    return np.concatenate([_LEVELS[:threshold], 255 - _LEVELS[threshold:]])


def solarize_added(severity: float) -> np.ndarray:
    """Table (256,) that raises the levels of the lower half."""
    return np.where(_LEVELS < 128, np.minimum(_LEVELS + int(_MAX_ADDED * severity), 255), _LEVELS)


def _auto_contrast(image: np.ndarray, severity: float, sign: int, fill: tuple) -> np.ndarray:
    low, high = (bound(image.reshape(-1, 3), axis=0).astype(float) for bound in (np.min, np.max))
    flat = high == low
    scale = np.where(flat, 1.0, 255 / np.where(flat, 1, high - low))
    offset = np.where(flat, 0.0, -low * scale)
    return _mapped(image, np.clip(np.trunc(scale[:, None] * _LEVELS + offset[:, None]), 0, 255))


def _equalize(image: np.ndarray, severity: float, sign: int, fill: tuple) -> np.ndarray:
    counts = np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in range(3)])
    last = 255 - (counts[:, ::-1] > 0).argmax(axis=1)  # the highest level that occurs
    steps = (counts.sum(axis=1) - counts[np.arange(3), last]) // 255
    below = np.cumsum(counts, axis=1) - counts
    tables = (below + steps[:, None] // 2) // np.maximum(steps, 1)[:, None]
    return _mapped(image, np.where(steps[:, None] > 0, np.minimum(tables, 255), _LEVELS))


def _enhanced(enhancer: type) -> Operation:
    def operation(image: np.ndarray, severity: float, sign: int, fill: tuple) -> np.ndarray:
        return np.asarray(enhancer(Image.fromarray(image)).enhance(1 + sign * _MAX_ENHANCEMENT * severity))

    return operation


def _rotated(image: np.ndarray, severity: float, sign: int, fill: tuple) -> np.ndarray:
    degrees = sign * _MAX_DEGREES * severity
    rotated = Image.fromarray(image).rotate(degrees, resample=Image.Resampling.BICUBIC, fillcolor=fill)
    return np.asarray(rotated)


def _moved(matrix: Callable[[float, int, int], tuple[float, ...]]) -> Operation:
    """An affine transform. `matrix`: signed severity, width, height -> (a, b, c, d, e, f).

    The output at (x, y) is the input at (a x + b y + c, d x + e y + f).
    """

    def operation(image: np.ndarray, severity: float, sign: int, fill: tuple) -> np.ndarray:
        height, width = image.shape[:2]
        moved = Image.fromarray(image).transform(
            (width, height),
            Image.Transform.AFFINE,
            matrix(sign * severity, width, height),
            resample=Image.Resampling.BICUBIC,
            fillcolor=fill,
        )
        return np.asarray(moved)

    return operation


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _of_all_channels(lambda severity: 255 - _LEVELS),
    "rotate": _rotated,
    "posterize": _of_all_channels(posterized),
    "solarize": _of_all_channels(solarized),
    "solarize_add": _of_all_channels(solarize_added),
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "shear_x": _moved(lambda amount, width, height: (1, _MAX_SHEAR * amount, 0, 0, 1, 0)),
    "shear_y": _moved(lambda amount, width, height: (1, 0, 0, _MAX_SHEAR * amount, 1, 0)),
    "translate_x": _moved(lambda amount, width, height: (1, 0, _MAX_TRANSLATION * amount * width, 0, 1, 0)),
    "translate_y": _moved(lambda amount, width, height: (1, 0, 0, 0, 1, _MAX_TRANSLATION * amount * height)),
}
