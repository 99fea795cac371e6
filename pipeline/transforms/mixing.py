"""Mixup and cutmix: mixes the images of a batch in pairs, and their targets.

Shapes: B images of C channels and H x W pixels, K classes. Image i is mixed with image B - 1 - i.
"""

import numpy as np

from pipeline.config.finetune import MixingConfig


def soft_targets(labels: np.ndarray, num_classes: int, smoothing: float) -> np.ndarray:
    """labels (B,) in 0..K-1 -> (B, K) float32: smoothing / K everywhere, the rest on the label."""
    targets = np.full((len(labels), num_classes), smoothing / num_classes, np.float32)
    targets[np.arange(len(labels)), labels] += 1 - smoothing
    return targets


def soft_label_sets(label_sets: np.ndarray, smoothing: float) -> np.ndarray:
    """label_sets (B, K) of 0 and 1 -> (B, K) float32: (1 - smoothing) label + smoothing / 2."""
    return (label_sets * np.float32(1 - smoothing) + np.float32(smoothing / 2)).astype(np.float32)


def mixed(
    rng: np.random.Generator, images: np.ndarray, targets: np.ndarray, config: MixingConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Mix the whole batch with one weight, by mixup or by cutmix, or leave it unchanged.

    Args:
        images: (B, C, H, W) float32.
        targets: (B, K) float32.

    Returns:
        Images and targets of the same shapes.

    Source: Zhang et al., "mixup" (2018); Yun et al., "CutMix" (2019); the choice between them and the pairing
    by reversal as in timm's batch mode, which MAE's fine-tuning uses.
    """
    chance, choice = rng.random(2).tolist()
    alphas = (config.mixup_alpha, config.cutmix_alpha)
    if chance >= config.probability or not any(alphas):
        return images, targets
    cut = choice < config.cutmix_probability if all(alphas) else bool(config.cutmix_alpha)
    weight = float(rng.beta(alphas[cut], alphas[cut]))
    if cut:
        images, weight = cut_and_pasted(images, cutmix_box(rng, images.shape[2], images.shape[3], weight))
    else:
        images = np.float32(weight) * images + np.float32(1 - weight) * images[::-1]
    return images, np.float32(weight) * targets + np.float32(1 - weight) * targets[::-1]


def cutmix_box(rng: np.random.Generator, height: int, width: int, weight: float) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of a random box; its area is the share 1 - weight before clipping.

    Its centre is uniform over the image.
    """
    side = (1 - weight) ** 0.5
    box_height, box_width = int(height * side), int(width * side)
    top, left = (
        int(rng.integers(length)) - part // 2 for length, part in ((height, box_height), (width, box_width))
    )
    bottom, right = min(top + box_height, height), min(left + box_width, width)
    return max(top, 0), bottom, max(left, 0), right


def cut_and_pasted(images: np.ndarray, box: tuple[int, int, int, int]) -> tuple[np.ndarray, float]:
    """The images with the box of their partners pasted in, and the share of their own pixels that is left."""
    top, bottom, left, right = box
    pasted = images.copy()
    pasted[:, :, top:bottom, left:right] = images[::-1, :, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
