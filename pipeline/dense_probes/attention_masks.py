"""Foreground masks from the CLS attention of the last block.

Shapes: h x w patches, H x W pixels.
"""

import numpy as np

from pipeline.dense_probes.patch_grid import patch_of_pixels


def attention_masks(attention: np.ndarray, mass: float) -> np.ndarray:
    """For each head, the smallest set of patches with more than the share `mass` of its attention.

    Args:
        attention: (heads, h, w), not negative.

    Returns:
        (heads, h, w) bool.

    Source: DINO (Caron et al. 2021), attention masks: 60 % of the mass is kept. Of equal patches the later
    one is kept first.
    """
    flat = attention.reshape(len(attention), -1).astype(np.float64)
    order = np.argsort(flat, axis=1, kind="stable")  # ascending
    rising = np.take_along_axis(flat, order, axis=1)
    share = np.cumsum(rising, axis=1) / np.maximum(rising.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    kept = np.empty(flat.shape, bool)
    np.put_along_axis(kept, order, share > 1 - mass, axis=1)
    return kept.reshape(attention.shape)


def best_jaccard(kept: np.ndarray, foreground: np.ndarray) -> tuple[float, int]:
    """Largest IoU of a head's mask with the foreground, over pixels.

    Args:
        kept: (heads, h, w) bool.
        foreground: (H, W) bool.

    Returns:
        IoU in [0, 1], and the head.

    Source: DINO's Jaccard index on VOC, best head per image. A pixel has its patch's value.
    """
    patches = patch_of_pixels(*foreground.shape, kept.shape[1:]).ravel()
    num_patches = kept[0].size
    pixels = np.bincount(patches, minlength=num_patches)
    inside = np.bincount(patches[foreground.ravel()], minlength=num_patches)
    flat = kept.reshape(len(kept), -1).astype(np.int64)
    intersection = flat @ inside
    union = flat @ pixels + inside.sum() - intersection
    iou = intersection / np.maximum(union, 1)
    head = int(iou.argmax())
    return float(iou[head]), head
