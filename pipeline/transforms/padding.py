"""Pads images and label maps of several sizes into one array."""

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
    """Normalise, then pad with 0, the mean colour, on the right and at the bottom.

    Args:
        images: (H, W, 3) uint8 each, of any sizes; at least one.
        mean, std: (3,) of the channels in [0, 1].
        multiple: in pixels; both sides of the result are multiples of it.
        square: pad to this side, rounded up to a multiple; None: to the largest height and width.

    Returns:
        (B, 3, H, W) float32.

    Raises:
        ValueError: there is no image, or an image is larger than `square`.
    """
    if not images:
        raise ValueError("expected at least one image to pad, found none")
    height, width = _sides([image.shape[:2] for image in images], multiple, square)
    mean, std = (np.asarray(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
    scale, shift = 1 / (255 * std), mean / std
    batch = np.zeros((len(images), 3, height, width), np.float32)
    for image, padded in zip(images, batch, strict=True):
        inner = padded[:, : image.shape[0], : image.shape[1]]
        np.multiply(image.transpose(2, 0, 1), scale, out=inner)
        inner -= shift
    return batch


def padded_label_maps(label_maps: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Pad with IGNORED on the right and at the bottom.

    Args:
        label_maps: (H, W) integers each, of any sizes.

    Returns:
        (B, height, width) int16.

    Raises:
        ValueError: a label map is larger than that.
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
