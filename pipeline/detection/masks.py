"""Converts instance masks to targets of a mask head, and its output back to masks of the image."""

from collections.abc import Sequence

import numpy as np

_THRESHOLD = 0.5


def mask_targets(masks: Sequence[np.ndarray], boxes: np.ndarray, size: int) -> np.ndarray:
    """The part of each mask inside its box, in size x size cells.

    Args:
        masks: n masks (H, W) bool, an array or a list of views.
        boxes: (n, 4) in pixels of the mask; pixels outside of the mask count as 0.
        size: cells per side.

    Returns:
        (n, size, size) float32: 1 where at least half of a cell's area is mask, else 0.
    """
    targets = np.zeros((len(boxes), size, size), np.float32)
    if not len(boxes):
        return targets
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    heights, widths = np.array([mask.shape for mask in masks]).T
    rows, columns = _cell_shares(y1, y2, size, heights), _cell_shares(x1, x2, size, widths)
    for target, mask, (down, row_shares), (across, column_shares) in zip(
        targets, masks, rows, columns, strict=True
    ):
        # Shares are float32: rounding must not push a cell that is exactly half mask below one half.
        shares = row_shares @ mask[down, across].astype(np.float32) @ column_shares.T
        target[:] = shares >= _THRESHOLD - 1e-5
    return targets


def _cell_shares(
    low: np.ndarray, high: np.ndarray, size: int, lengths: np.ndarray
) -> list[tuple[slice, np.ndarray]]:
    """The pixels covered by the cells between low and high, and each pixel's share of each cell; (n,) each.

    Returns:
        n of: the p pixels, and (size, p) float32. Rows sum to 1, or less at the border of the image.
    """
    first = np.clip(np.floor(low).astype(np.int64), 0, lengths)
    last = np.clip(np.ceil(high).astype(np.int64), first, lengths)
    edges = np.linspace(low, high, size + 1, axis=1)[:, :, None]
    pixels = (first[:, None] + np.arange((last - first).max()))[:, None]
    common = np.minimum(edges[:, 1:], pixels + 1) - np.maximum(edges[:, :-1], pixels)
    cells = np.maximum((high - low) / size, np.finfo(np.float32).tiny)
    shares = (np.clip(common, 0, None) / cells[:, None, None]).astype(np.float32)
    ends = zip(first.tolist(), last.tolist(), shares, strict=True)
    return [(slice(start, end), of_box[:, : end - start]) for start, end, of_box in ends]


def pasted(masks: np.ndarray, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Masks of the whole image from probabilities within boxes, the inverse of `mask_targets`.

    Args:
        masks: (n, s, s) float, probability of each cell.
        boxes: (n, 4) pixels.

    Returns:
        (n, height, width) bool: where the bilinearly interpolated probability is at least one half.

    Source:
        Mask R-CNN (He et al. 2017), section 3.1. Deviation: the outer cells extend to the border of the box;
            in mmdetection they fade to 0 there, which rounds off the corners of objects that fill their box.
    """
    pasted_masks = np.zeros((len(boxes), height, width), bool)
    for image, mask, (x1, y1, x2, y2) in zip(pasted_masks, masks, boxes.astype(np.float64), strict=True):
        rows, row_weights = _pixel_weights(y1, y2, len(mask), height)
        columns, column_weights = _pixel_weights(x1, x2, len(mask), width)
        image[rows, columns] = row_weights @ mask @ column_weights.T >= _THRESHOLD
    return pasted_masks


def _pixel_weights(low: float, high: float, size: int, length: int) -> tuple[slice, np.ndarray]:
    """The pixels whose centres lie between low and high, and the weight of each cell at each pixel.

    Returns:
        The p pixels, and (p, size) float64: linear between the centres of cells, constant beyond the outer
            ones.
    """
    first = min(max(int(np.ceil(low - 0.5)), 0), length)
    last = min(max(int(np.floor(high - 0.5)) + 1, first), length)
    cell = max((high - low) / size, np.finfo(np.float32).tiny)
    position = np.clip((np.arange(first, last) + 0.5 - low) / cell - 0.5, 0, size - 1)
    return slice(first, last), np.clip(1 - np.abs(position[:, None] - np.arange(size)), 0, None)
