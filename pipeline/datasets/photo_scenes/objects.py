"""Objects: irregular shapes cut from photographs, pasted at random size on another photograph."""

from typing import Any

import numpy as np

from pipeline.datasets.photo_scenes.rle import encode_mask
from pipeline.datasets.photo_scenes.textures import EVEN_MEAN, Textures, cut, image_rng

EMPTY_SHARE = 0.05  # of the images: background only
MAX_OBJECTS = 4
RADIUS = (0.1, 0.3)  # share of the image's side
WAVES = 4  # the outline's radius varies by a sum of this many waves
WAVE_STRENGTH = 0.22  # of the radius, for the slowest wave
ELONGATION = 1.6  # longest to shortest half-axis, at most
MIN_VISIBLE_SHARE = 0.5  # of an object's whole shape
MIN_VISIBLE_PIXELS = 12
MAX_TRIES = 20
LIGHT_SPREAD = 45.0  # grey levels: random brightness of object and background, independent of the class


def draw_objects(
    textures: Textures, *, split: str, num_images: int, size: int, seed: int, class_names: tuple[str, ...]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Draw scenes of up to MAX_OBJECTS objects; later objects may partly cover earlier ones.

    Returns:
        images (num_images, size, size, 3) uint8 and annotations in COCO's form: "images" (id = row of the
        images), "categories" (id = class index + 1) and "annotations" with the visible part of each object:
        "segmentation" (uncompressed run lengths), "bbox" [x, y, width, height] tight in pixels, and "area".
    """
    images = np.empty((num_images, size, size, 3), np.uint8)
    annotations: list[dict[str, Any]] = []
    for index in range(num_images):
        rng = image_rng(seed, "objects", split, index)
        images[index], instances, labels = _scene(rng, textures, split, size)
        for instance, label in enumerate(labels, start=1):
            described = _annotation(instances == instance)
            described |= {"id": len(annotations) + 1, "image_id": index, "category_id": label + 1}
            annotations.append(described)
    return images, {
        "images": [{"id": index, "width": size, "height": size} for index in range(num_images)],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(class_names)],
        "annotations": annotations,
    }


def _scene(
    rng: np.random.Generator, textures: Textures, split: str, size: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """One image, its map of visible instances (0 = background, k = k-th object) and their classes."""
    background = int(rng.integers(textures.num_classes))
    image = cut(rng, textures, label=background, split=split, size=size, mean=_light(rng)).copy()
    instances = np.zeros((size, size), np.uint8)
    labels: list[int] = []
    areas: list[int] = []
    wanted = 0 if rng.uniform() < EMPTY_SHARE else int(rng.integers(1, MAX_OBJECTS + 1))
    for _ in range(wanted):
        placed = _placed_object(rng, instances, areas)
        if placed is None:
            continue
        mask, area = placed
        label = int((background + rng.integers(1, textures.num_classes)) % textures.num_classes)
        _paint(image, mask, cut(rng, textures, label=label, split=split, size=_side(mask), mean=_light(rng)))
        labels.append(label)
        areas.append(area)
        instances[mask] = len(labels)
    return image, instances, labels


def _placed_object(
    rng: np.random.Generator, instances: np.ndarray, areas: list[int]
) -> tuple[np.ndarray, int] | None:
    """A new object's visible mask and whole area, with all objects visible enough; None if not found."""
    size = instances.shape[0]
    for _ in range(MAX_TRIES):
        whole = random_blob(rng, size)
        margin = size // 2
        mask = whole[margin : margin + size, margin : margin + size]
        counts = np.bincount(instances[~mask], minlength=len(areas) + 1)[1:]
        sizes = zip([*counts, mask.sum()], [*areas, whole.sum()], strict=True)
        if all(seen >= max(MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE * area) for seen, area in sizes):
            return mask, int(whole.sum())
    return None


def random_blob(rng: np.random.Generator, size: int) -> np.ndarray:
    """An irregular, star-shaped blob around a random point of a (size, size) image.

    Returns:
        (size + 2 * (size // 2),) * 2 bool: the image with a margin for the part of the blob outside it.
    """
    margin = size // 2
    axis = (np.arange(-margin, size + margin) + 0.5) / size
    row, column = rng.uniform(0.05, 0.95, 2)
    radius = np.exp(rng.uniform(*np.log(RADIUS)))
    stretch = rng.uniform(1, ELONGATION) ** 0.5
    turn = rng.uniform(0, np.pi)
    down, across = axis[:, None] - row, axis[None, :] - column
    along = (np.cos(turn) * across + np.sin(turn) * down) / stretch
    aside = (np.cos(turn) * down - np.sin(turn) * across) * stretch
    angle = np.arctan2(aside, along)
    outline = np.ones_like(angle)
    for wave in range(2, WAVES + 2):
        strength = WAVE_STRENGTH * rng.uniform(-1, 1) * 2 / wave
        outline += strength * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return np.hypot(along, aside) < radius * outline


def _light(rng: np.random.Generator) -> float:
    return EVEN_MEAN + rng.uniform(-LIGHT_SPREAD, LIGHT_SPREAD)


def _side(mask: np.ndarray) -> int:
    """Side of the square that contains the mask."""
    rows, columns = np.nonzero(mask)
    return int(max(np.ptp(rows), np.ptp(columns))) + 1


def _paint(image: np.ndarray, mask: np.ndarray, texture: np.ndarray) -> None:
    """Copy the texture, its corner at the mask's first row and column, to the masked pixels of the image."""
    rows, columns = np.nonzero(mask)
    image[rows, columns] = texture[rows - rows.min(), columns - columns.min()]


def _annotation(mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.nonzero(mask)
    top, left = int(rows.min()), int(columns.min())
    return {
        "segmentation": encode_mask(mask),
        "bbox": [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1],
        "area": len(rows),
        "iscrowd": 0,
    }
