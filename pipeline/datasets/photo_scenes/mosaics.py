"""Mosaics: irregular regions cut from different photographs; the class is known for every pixel."""

import numpy as np
from PIL import Image

from pipeline.datasets.photo_scenes.textures import EVEN_MEAN, Textures, cut, image_rng

NUM_TILES = (3, 6)  # fewest and most tiles of a mosaic, each of another class
WARP = 0.12  # standard deviation of the border's displacement, share of the image's side
WARP_CELLS = (3, 7)  # coarse and fine noise grid of the displacement
LIGHT_SPREAD = 30.0  # grey levels: random brightness per tile, independent of its class


def draw_mosaics(
    textures: Textures, *, split: str, num_images: int, size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw mosaics.

    Returns:
        images (num_images, size, size, 3) uint8 and label maps (num_images, size, size) uint8.
    """
    images = np.empty((num_images, size, size, 3), np.uint8)
    label_maps = np.empty((num_images, size, size), np.uint8)
    for index in range(num_images):
        rng = image_rng(seed, "mosaics", split, index)
        images[index], label_maps[index] = _mosaic(rng, textures, split, size)
    return images, label_maps


def _mosaic(
    rng: np.random.Generator, textures: Textures, split: str, size: int
) -> tuple[np.ndarray, np.ndarray]:
    fewest, most = NUM_TILES
    num_tiles = min(int(rng.integers(fewest, most + 1)), textures.num_classes)
    tiles = warped_voronoi(rng, num_tiles, size)
    classes = rng.permutation(textures.num_classes)[:num_tiles]
    image = np.zeros((size, size, 3), np.uint8)
    for tile, label in enumerate(classes):
        inside = tiles == tile
        if not inside.any():
            continue
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        side = int(max(np.ptp(rows), np.ptp(columns))) + 1
        mean = EVEN_MEAN + rng.uniform(-LIGHT_SPREAD, LIGHT_SPREAD)
        texture = cut(rng, textures, label=int(label), split=split, size=side, mean=mean)
        at = np.nonzero(inside)
        image[at] = texture[at[0] - rows[0], at[1] - columns[0]]
    return image, classes.astype(np.uint8)[tiles]


def warped_voronoi(rng: np.random.Generator, num_tiles: int, size: int) -> np.ndarray:
    """Tile of every pixel: the nearest of random centres, after a smooth random displacement.

    Returns:
        (size, size) int64 in [0, num_tiles); a tile may be split in pieces or, rarely, be empty.
    """
    centres = rng.uniform(0, 1, (num_tiles, 2))
    axis = (np.arange(size) + 0.5) / size
    rows = axis[:, None] + _smooth_noise(rng, size)
    columns = axis[None, :] + _smooth_noise(rng, size)
    squared = (rows[..., None] - centres[:, 0]) ** 2 + (columns[..., None] - centres[:, 1]) ** 2
    return squared.argmin(axis=-1)


def _smooth_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size) smooth displacement, standard deviation near WARP: coarse noise, half as much fine."""
    total = np.zeros((size, size), np.float32)
    for strength, cells in zip((1.0, 0.5), WARP_CELLS, strict=True):
        grid = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
        total += strength * np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))
    return WARP * total
