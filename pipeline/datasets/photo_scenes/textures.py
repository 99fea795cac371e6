"""Square crops of the photographs, within the regions of one split."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photographs import SPLITS, Photograph, Region, read_photograph, regions_of_splits

STREAMS = {"regions": 0, "patches": 1, "mosaics": 2, "objects": 3}
MIN_CONTRAST = 4.0  # grey levels (standard deviation); a crop below it, of clear sky say, is drawn again
MAX_TRIES = 20
EVEN_MEAN, EVEN_CONTRAST = 118.0, 50.0  # grey levels: mean and standard deviation of an evenly lit crop
MAX_GAIN = 8.0  # smooth crops are not stretched into noise
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Textures:
    """Every photograph, and its regions for each split."""

    pixels: tuple[np.ndarray, ...]  # (H, W, 3) or, in grey, (H, W), uint8
    regions: dict[str, tuple[tuple[Region, ...], ...]]  # split -> photograph -> regions
    min_crop: int
    max_crop: int
    even_light: bool

    @property
    def num_classes(self) -> int:
        return len(self.pixels)


def load_textures(config: PhotoScenesConfig, photographs: tuple[Photograph, ...]) -> Textures:
    """Read the photographs and split them into regions, by the configuration's seed.

    Raises:
        PhotographError: a photograph is missing or has changed.
        ValueError: `min_crop` is larger than a region.
    """
    pixels, regions = [], {split: [] for split in SPLITS}
    for index, photograph in enumerate(photographs):
        image = read_photograph(photograph)
        rng = np.random.default_rng((config.seed, STREAMS["regions"], index))
        for split, places in regions_of_splits(*image.shape[:2], rng).items():
            smallest = min(min(place.height, place.width) for place in places)
            if config.min_crop > smallest:
                raise ValueError(
                    f"min_crop {config.min_crop} does not fit into the regions of {photograph.name!r}, "
                    f"which are {smallest} pixels wide: choose min_crop <= {smallest}"
                )
            regions[split].append(tuple(places))
        pixels.append(image if config.colour == "rgb" else np.asarray(Image.fromarray(image).convert("L")))
    return Textures(
        pixels=tuple(pixels),
        regions={split: tuple(places) for split, places in regions.items()},
        min_crop=config.min_crop,
        max_crop=config.max_crop,
        even_light=config.even_light,
    )


def image_rng(seed: int, drawing: str, split: str, index: int) -> np.random.Generator:
    """The random generator of one image, independent of other images and of the size of the data set."""
    return np.random.default_rng((seed, STREAMS[drawing], SPLITS.index(split), index))


def cut(
    rng: np.random.Generator,
    textures: Textures,
    *,
    label: int,
    split: str,
    size: int,
    mean: float = EVEN_MEAN,
) -> np.ndarray:
    """Cut a crop of random size, place, quarter turn and mirroring, resized with antialiasing.

    A crop is enlarged at most twofold if its region allows that. `mean` is its brightness if the light is
    evened out.

    Returns:
        (size, size, 3) uint8.
    """
    places = textures.regions[split][label]
    best, best_contrast = None, -1.0
    for _ in range(MAX_TRIES):
        region = places[rng.integers(len(places))]
        crop = _random_square(rng, region.of(textures.pixels[label]), textures, size)
        small = np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.LANCZOS))
        contrast = float(_luminance(small).std())
        if contrast > best_contrast:
            best, best_contrast = small, contrast
        if contrast >= MIN_CONTRAST:
            break
    turned = np.rot90(best, rng.integers(4))
    if rng.integers(2):
        turned = turned[:, ::-1]
    if textures.even_light:
        turned = _evenly_lit(turned, mean)
    return turned if turned.ndim == 3 else np.repeat(turned[..., None], 3, axis=2)


def _random_square(rng: np.random.Generator, region: np.ndarray, textures: Textures, size: int) -> np.ndarray:
    """A square of the region, its side log-uniform between the smallest and the largest allowed."""
    largest = min(textures.max_crop, *region.shape[:2])
    smallest = min(max(textures.min_crop, size // 2), largest)
    side = round(math.exp(rng.uniform(math.log(smallest), math.log(largest))))
    top = rng.integers(region.shape[0] - side + 1)
    left = rng.integers(region.shape[1] - side + 1)
    return region[top : top + side, left : left + side]


def _evenly_lit(pixels: np.ndarray, mean: float) -> np.ndarray:
    """Shift and stretch so that the luminance has a given mean and EVEN_CONTRAST; hues stay."""
    luminance = _luminance(pixels)
    gain = min(EVEN_CONTRAST / max(float(luminance.std()), 1e-3), MAX_GAIN)
    lit = (pixels.astype(np.float32) - luminance.mean()) * gain + mean
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def _luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels @ LUMA if pixels.ndim == 3 else pixels.astype(np.float32)
