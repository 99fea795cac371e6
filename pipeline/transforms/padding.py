"""Pads images and label maps of several sizes to one array."""

from collections.abc import Sequence

import numpy as np

from pipeline.datasets.targets import IGNORED


def padded_images(
    images: Sequence[np.ndarray],
    *,
    mean: np.ndarray,
    std: np.ndarray,
    multiple: int,
    square: int | None = None,
) -> np.ndarray:
    """Normalise, then pad with 0 to the right and below.

    0 after normalising is the mean colour. The pixels of an image do not depend on its neighbours.

    Args:
        images: (H, W, 3) uint8 each, of any sizes; at least one.
        mean, std: (3,) of the channels in [0, 1].
        multiple: both sides of the result are multiples of this many pixels.
        square: pad to this side, rounded up to a multiple, whatever the images' sizes; None: to the
            greatest height and the greatest width.

    Returns:
        (B, 3, H, W) float32.

    Raises:
        ValueError: there is no image, or one is larger than `square`.
    """
    if not images:
        raise ValueError("expected at least one image to pad, found none")
    height, width = _sides([image.shape[:2] for image in images], multiple, square)
    mean, std = (np.asarray(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
    scale, shift = 1 / (255 * std), mean / std
    batch = np.zeros((len(images), 3, height, width), np.float32)
    for image, padded in zip(images, batch, strict=True):
        place = padded[:, : image.shape[0], : image.shape[1]]
        np.multiply(image.transpose(2, 0, 1), scale, out=place)
        place -= shift
    return batch


def padded_label_maps(label_maps: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Pad with IGNORED to the right and below.

    Args:
        label_maps: (H, W) integers each, of any sizes.

    Returns:
        (B, height, width) int16.

    Raises:
        ValueError: a label map is larger.
    """
    batch = np.full((len(label_maps), height, width), IGNORED, np.int16)
    for label_map, padded in zip(label_maps, batch, strict=True):
        found = label_map.shape
        if found[0] > height or found[1] > width:
            raise ValueError(
                f"expected label maps of at most {height} x {width} pixels, found {found[0]} x {found[1]}"
            )
        padded[: found[0], : found[1]] = label_map
    return batch


def _sides(sizes: list[tuple[int, int]], multiple: int, square: int | None) -> tuple[int, int]:
    height, width = np.max(sizes, axis=0).tolist()
    if square is not None:
        if max(height, width) > square:
            raise ValueError(
                f"expected images of at most {square} x {square} pixels, found {height} x {width}"
            )
        height = width = square
    return height + -height % multiple, width + -width % multiple
