"""Block masks: which patches of a crop are hidden from the student.

Shapes: n masks over a grid of h x w patches.
"""

import math
from collections.abc import Iterator

import numpy as np

from pipeline.config.data import MaskConfig

_TRIES = 10


def block_masks(
    rng: np.random.Generator, num_masks: int, grid: tuple[int, int], config: MaskConfig
) -> np.ndarray:
    """Draw random masks; each uses one of the configured ratios, chosen with equal probability.

    Args:
        grid: rows and columns of patches.

    Returns:
        (num_masks, h, w) bool, True = hidden. A mask never hides more than its ratio of the grid; one of
        shape "block" may hide less, if no further block fits in ten tries.

    Source: Zhou et al., "iBOT" (ICLR 2022), section 3; Bao et al., "BEiT" (2022), algorithm 1.
    """
    h, w = grid
    choice = rng.integers(len(config.ratios), size=num_masks)
    variation = np.asarray(config.ratio_variations)[choice]
    ratios = np.asarray(config.ratios)[choice] + variation * rng.uniform(-1, 1, num_masks)
    targets = ratios * h * w
    if config.shape == "random":
        ranks = rng.random((num_masks, h * w)).argsort(axis=1).argsort(axis=1)
        return (ranks < targets.astype(np.int64)[:, None]).reshape(num_masks, h, w)
    draws = _uniforms(rng, 512)
    masks = [_blocks(draws, target, grid, -math.log(config.min_aspect)) for target in targets.tolist()]
    width = (h * w + 7) // 8
    packed = np.frombuffer(b"".join(mask.to_bytes(width, "little") for mask in masks), np.uint8)
    bits = np.unpackbits(packed.reshape(num_masks, width), axis=1, count=h * w, bitorder="little")
    return bits.reshape(num_masks, h, w).astype(bool)


def _uniforms(rng: np.random.Generator, at_a_time: int) -> Iterator[float]:
    """Values in [0, 1), drawn in bulk: a call for each would cost more than the rest of a try."""
    while True:
        yield from rng.random(at_a_time).tolist()


def _blocks(draws: Iterator[float], target: float, grid: tuple[int, int], log_aspect: float) -> int:
    """One mask as an integer, for fast unions and counts: bit y * w + x is patch (y, x)."""
    h, w = grid
    smallest = (min(h, w) // 3) ** 2
    mask, count = 0, 0
    while count < target:
        for _ in range(_TRIES):
            left_over = target - count
            area = smallest + next(draws) * (left_over - smallest)
            root_aspect = math.exp((next(draws) - 0.5) * log_aspect)
            height, width = round(math.sqrt(area) * root_aspect), round(math.sqrt(area) / root_aspect)
            at_y, at_x = next(draws), next(draws)
            if not (0 < height < h and 0 < width < w):
                continue
            top, left = int(at_y * (h - height + 1)), int(at_x * (w - width + 1))
            union = mask | _rectangle(height, width, w) << (top * w + left)
            added = union.bit_count() - count
            if 0 < added <= left_over:
                mask, count = union, count + added
                break
        else:
            return mask
    return mask


def _rectangle(height: int, width: int, row_bits: int) -> int:
    """The bits of a block of this size in the top-left corner."""
    # One bit at the start of each row, times a row's worth of ones.
    starts = ((1 << height * row_bits) - 1) // ((1 << row_bits) - 1)
    return starts * ((1 << width) - 1)
