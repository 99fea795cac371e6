"""All random parameters of the augmentation, drawn in advance for a whole batch.

Each crop takes the same number of random values whatever the image, and rendering takes none: so the same
generator state gives the same crops in any thread and with either implementation.

Shapes: n crops.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.config.data import CropConfig

ADJUSTMENTS = ("brightness", "contrast", "saturation", "hue")
_TRIES = 10


@dataclass(frozen=True)
class CropParameters:
    """How n crops are made from a list of images, in this order of steps.

    image: (n,) int32, index of the image. box: (n, 4) int32, left, top, width, height in its pixels.
    resized: (n, 2) int32, width and height that the box becomes. window: (n, 2) int32, left and top of the
    crop within that. flip: (n,) bool. jitter: (n,) bool, whether the four adjustments are made; order: (n, 4)
    uint8, indices into ADJUSTMENTS, first to last; brightness, contrast, saturation: (n,) float32 factors;
    hue_shift: (n,) int32, 1/255 of a turn. grey: (n,) bool. blur_sigma: (n,) float32, pixels of the crop, 0 =
    none. solarize: (n,) bool.
    """

    image: np.ndarray
    box: np.ndarray
    resized: np.ndarray
    window: np.ndarray
    flip: np.ndarray
    jitter: np.ndarray
    order: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    hue_shift: np.ndarray
    grey: np.ndarray
    blur_sigma: np.ndarray
    solarize: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


def joined(parts: Sequence[CropParameters]) -> CropParameters:
    """Concatenated parameters; `parts` is not empty."""
    names = [field.name for field in fields(CropParameters)]
    return CropParameters(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def of_images(parameters: CropParameters, part: slice) -> CropParameters:
    """Given one crop of each image, the crops of the images in `part`, with indices relative to its start."""
    taken = {field.name: getattr(parameters, field.name)[part] for field in fields(CropParameters)}
    return CropParameters(**taken | {"image": taken["image"] - np.int32(part.start)})


def plain_parameters(image: np.ndarray, box: np.ndarray, *, size: int) -> CropParameters:
    """Parameters that resize the boxes to `size` and do nothing else."""
    n = len(image)
    no, one = np.zeros(n, bool), np.ones(n, np.float32)
    return CropParameters(
        image=np.asarray(image, np.int32),
        box=np.asarray(box, np.int32).reshape(n, 4),
        resized=np.full((n, 2), size, np.int32),
        window=np.zeros((n, 2), np.int32),
        flip=no,
        jitter=no,
        order=np.tile(np.arange(4, dtype=np.uint8), (n, 1)),
        brightness=one,
        contrast=one,
        saturation=one,
        hue_shift=np.zeros(n, np.int32),
        grey=no,
        blur_sigma=np.zeros(n, np.float32),
        solarize=no,
    )


def random_boxes(
    rng: np.random.Generator,
    sizes: np.ndarray,
    *,
    scale: tuple[float, float],
    aspect_ratio: tuple[float, float],
) -> np.ndarray:
    """A box of random area, aspect ratio and position in each image.

    Args:
        sizes: (n, 2) int, height and width of each image, pixels.
        scale: share of the image's area, drawn uniformly.
        aspect_ratio: width / height, drawn log-uniformly.

    Returns:
        (n, 4) int32: left, top, width, height. If none of ten tries fits, the largest central box whose
        aspect ratio lies within `aspect_ratio`.

    Source: Szegedy et al., "Going Deeper with Convolutions" (2014), in the form of torchvision's
    RandomResizedCrop.
    """
    draws = rng.random((4, len(sizes), _TRIES))
    height, width = np.asarray(sizes, np.int64).T
    area = (height * width)[:, None] * (scale[0] + draws[0] * (scale[1] - scale[0]))
    log_low, log_high = np.log(aspect_ratio)
    aspect = np.exp(log_low + draws[1] * (log_high - log_low))
    tried_width = np.rint(np.sqrt(area * aspect)).astype(np.int64)
    tried_height = np.rint(np.sqrt(area / aspect)).astype(np.int64)
    fits = (tried_width > 0) & (tried_width <= width[:, None])
    fits &= (tried_height > 0) & (tried_height <= height[:, None])
    chosen, rows = fits.argmax(axis=1), np.arange(len(sizes))
    found = fits[rows, chosen]
    central_width, central_height = _central_sizes(width, height, aspect_ratio)
    box_width = np.where(found, tried_width[rows, chosen], central_width)
    box_height = np.where(found, tried_height[rows, chosen], central_height)
    free_x, free_y = width - box_width, height - box_height
    left = np.where(found, (draws[2, :, 0] * (free_x + 1)).astype(np.int64), free_x // 2)
    top = np.where(found, (draws[3, :, 0] * (free_y + 1)).astype(np.int64), free_y // 2)
    return np.stack([left, top, box_width, box_height], axis=1).astype(np.int32)


def _central_sizes(
    width: np.ndarray, height: np.ndarray, aspect_ratio: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    low, high = aspect_ratio
    # A fixed aspect ratio (low = high) may round to one pixel more than the image has.
    widest = np.clip(np.rint(height * high).astype(np.int64), 1, width)
    tallest = np.clip(np.rint(width / low).astype(np.int64), 1, height)
    aspect = width / height
    return np.where(aspect > high, widest, width), np.where(aspect < low, tallest, height)


def draw_crop_parameters(
    rng: np.random.Generator, sizes: np.ndarray, config: CropConfig, *, size: int, role: int
) -> CropParameters:
    """Draw the parameters of one augmented crop of each image.

    Args:
        sizes: (n, 2) int, height and width of each image, pixels.
        size: side of the crops, pixels.
        role: 0 = first global crop, 1 = further global crops, 2 = local crops; selects the scale and the
            probabilities of `config`.

    Source: the augmentation of Zhou et al., "iBOT" (ICLR 2022), which is that of Grill et al., "BYOL" (2020).
    """
    n = len(sizes)
    scale = config.local_scale if role == 2 else config.global_scale
    box = random_boxes(rng, sizes, scale=scale, aspect_ratio=config.aspect_ratio)
    chance = rng.random((5, n))
    spread = rng.random((5, n))
    order = rng.random((n, 4)).argsort(axis=1).astype(np.uint8)
    low, high = config.blur_sigma
    sigma = low + spread[4] * (high - low)
    hue = (2 * spread[3] - 1) * config.hue
    return replace(
        plain_parameters(np.arange(n), box, size=size),
        flip=chance[0] < config.flip_probability,
        jitter=chance[1] < config.jitter_probability,
        order=order,
        brightness=_factors(spread[0], config.brightness),
        contrast=_factors(spread[1], config.contrast),
        saturation=_factors(spread[2], config.saturation),
        hue_shift=np.trunc(hue * 255).astype(np.int32),
        grey=chance[2] < config.grey_probability,
        blur_sigma=np.where(chance[3] < config.blur_probability[role], sigma, 0).astype(np.float32),
        solarize=chance[4] < config.solarize_probability[role],
    )


def _factors(draws: np.ndarray, strength: float) -> np.ndarray:
    low = max(0.0, 1 - strength)
    return (low + draws * (1 + strength - low)).astype(np.float32)
