"""Encodes and decodes the deltas by which a network refines boxes.

A box is x1, y1, x2, y2 in pixels, continuous: its width is x2 - x1. Everything is NumPy.
"""

import numpy as np

MAX_LOG_SCALE = float(np.log(1000 / 16))  # limit of a side's growth or shrinkage in one step
_MIN_SIDE = 1e-3  # pixels: smaller sides are encoded as if they had this length


def encode(boxes: np.ndarray, proposals: np.ndarray, stds: tuple[float, ...]) -> np.ndarray:
    """The deltas that turn proposals into boxes.

    Args:
        boxes: (n, 4) target boxes.
        proposals: (n, 4).
        stds: standard deviations of dx, dy, dw, dh, by which the deltas are divided.

    Returns:
        (n, 4): shift of the centre in proposal sides (x, y), and logarithm of the ratio of the sides (w, h).

    Source:
        R-CNN (Girshick et al. 2014), appendix C.
    """
    box_centers, box_sides = _centers_and_sides(boxes)
    centers, sides = _centers_and_sides(proposals)
    sides, box_sides = np.maximum(sides, _MIN_SIDE), np.maximum(box_sides, _MIN_SIDE)
    deltas = np.concatenate([(box_centers - centers) / sides, np.log(box_sides / sides)], axis=1)
    return (deltas / np.asarray(stds)).astype(_float_type(boxes, proposals))


def decode(deltas: np.ndarray, proposals: np.ndarray, stds: tuple[float, ...]) -> np.ndarray:
    """Boxes (n, 4) from proposals and deltas, the inverse of `encode`; sides change at most 62.5-fold."""
    centers, sides = _centers_and_sides(proposals)
    scaled = deltas.astype(np.float64) * np.asarray(stds)
    centers = centers + scaled[:, :2] * sides
    half = 0.5 * sides * np.exp(np.clip(scaled[:, 2:], -MAX_LOG_SCALE, MAX_LOG_SCALE))
    return np.concatenate([centers - half, centers + half], axis=1).astype(_float_type(deltas, proposals))


def decode_gradient(
    boxes_grad: np.ndarray, deltas: np.ndarray, proposals: np.ndarray, stds: tuple[float, ...]
) -> np.ndarray:
    """Slopes (n, 4) in the deltas, from those in the boxes that `decode` returns (n, 4)."""
    sides = _centers_and_sides(proposals)[1]
    scaled = deltas.astype(np.float64) * np.asarray(stds)
    half = 0.5 * sides * np.exp(np.clip(scaled[:, 2:], -MAX_LOG_SCALE, MAX_LOG_SCALE))
    to_low, to_high = np.split(boxes_grad, 2, axis=1)
    to_half = (to_high - to_low) * half * (np.abs(scaled[:, 2:]) < MAX_LOG_SCALE)
    return np.concatenate([(to_low + to_high) * sides, to_half], axis=1) * np.asarray(stds)


def clipped(boxes: np.ndarray, height: float | np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """(n, 4) boxes clipped to an image of height x width pixels, or each to its own, (n,) both."""
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype).T)


def _centers_and_sides(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two (n, 2) float64: centre x, y and width, height."""
    corners = boxes.astype(np.float64)
    low, high = corners[:, :2], corners[:, 2:]
    return (low + high) / 2, high - low


def _float_type(*arrays: np.ndarray) -> np.dtype:
    return np.result_type(np.float32, *arrays)
