"""Augmentation for segmentation and detection, and the resize for testing."""

from dataclasses import replace

import numpy as np

from pipeline.config.dense import DetectViewConfig, SegmentViewConfig
from pipeline.datasets.targets import IGNORED
from pipeline.transforms.photometric import distorted
from pipeline.transforms.scene import Scene, cropped, flipped, resized, without_degenerate

_CROP_TRIES = 10  # further windows to draw if one class fills the first
_MAX_LONG_SIDE_BEFORE_CROP = 4200  # pixels; only panoramas come near it


def fitted(scene: Scene, short_side: float, max_long_side: float) -> Scene:
    """The scene resized, with its aspect ratio kept.

    Args:
        short_side: length of the shorter side, in pixels; smaller if `max_long_side` requires it.
        max_long_side: largest length of the longer side, in pixels.
    """
    height, width = scene.size
    factor = min(short_side / min(height, width), max_long_side / max(height, width))
    return resized(scene, *(max(int(side * factor + 0.5), 1) for side in (height, width)))


def segmentation_view(rng: np.random.Generator, scene: Scene, config: SegmentViewConfig) -> Scene:
    """Randomly resize, crop, flip and distort a scene with a label map.

    The crop is the first of up to 11 random windows in which no class has more than `config.max_class_share`
    of the labelled pixels, else the last of them.

    Returns:
        A scene of at most crop_size x crop_size pixels. An image that is smaller after the resize is not
        padded here, as padding follows normalisation.

    Source: mmsegmentation's training pipeline of ADE20K, as iBOT uses it. Deviation: the resize is
    antialiased.
    """
    factor = rng.uniform(*config.scale)
    scene = fitted(scene, *(side * factor for side in config.resize))
    scene = _crop_of_several_classes(rng, scene, config)
    if rng.random() < config.flip_probability:
        scene = flipped(scene)
    if config.photometric:
        scene = replace(scene, image=distorted(rng, scene.image))
    return scene


def detection_view(rng: np.random.Generator, scene: Scene, config: DetectViewConfig) -> Scene:
    """Randomly resize (or resize, crop and resize) and flip a scene with objects.

    Objects that are degenerate in the view are dropped; none may be left.

    Returns:
        A scene whose longer side is at most `config.max_long_side`.

    Source: DETR's augmentation (Carion et al. 2020), as iBOT uses it. Deviation: the resize is antialiased.
    """
    if rng.random() < config.crop_probability:
        scene = fitted(scene, rng.choice(config.crop_short_sides), _MAX_LONG_SIDE_BEFORE_CROP)
        scene = cropped(scene, *_window_of_random_size(rng, scene.size, config.crop_sizes))
    scene = fitted(scene, rng.choice(config.short_sides), config.max_long_side)
    if rng.random() < config.flip_probability:
        scene = flipped(scene)
    return without_degenerate(scene)


def _crop_of_several_classes(rng: np.random.Generator, scene: Scene, config: SegmentViewConfig) -> Scene:
    height, width = (min(side, config.crop_size) for side in scene.size)
    for _ in range(1 + _CROP_TRIES):
        top, left = _random_corner(rng, scene.size, (height, width))
        labels = scene.label_map[top : top + height, left : left + width]
        if (height, width) == scene.size or _largest_share(labels) <= config.max_class_share:
            break
    return cropped(scene, top, left, height, width)


def _largest_share(labels: np.ndarray) -> float:
    """Share of the most frequent class among the labelled pixels; infinite if there are none."""
    counts = np.bincount(labels.ravel() - IGNORED)[1:]
    return counts.max() / counts.sum() if counts.any() else np.inf


def _window_of_random_size(
    rng: np.random.Generator, size: tuple[int, int], sides: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Top, left, height, width; both sides are drawn from sides[0] to sides[1], at most the image's."""
    low, high = sides
    window = tuple(int(rng.integers(min(low, side), min(high, side) + 1)) for side in size)
    return *_random_corner(rng, size, window), *window


def _random_corner(
    rng: np.random.Generator, size: tuple[int, int], window: tuple[int, int]
) -> tuple[int, int]:
    return tuple(int(rng.integers(side - part + 1)) for side, part in zip(size, window, strict=True))
