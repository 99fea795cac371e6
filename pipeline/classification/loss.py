"""Losses of a classifier: softmax cross-entropy with soft targets, and binary cross-entropy per class."""

import jittor as jt
import numpy as np

from pipeline import kernels


def soft_target_loss(logits: jt.Var, targets: jt.Var) -> jt.Var:
    """Cross-entropy with soft targets, in nats, averaged over images.

    Args:
        logits: (B, K) float32.
        targets: (B, K) float32, rows that sum to 1; carries no gradient.

    Returns:
        (1,) float32.

    Raises:
        ValueError: the shapes disagree.
    """
    _check_shapes(logits, targets)
    num_images = logits.shape[0]
    rows = jt.array(np.arange(num_images, dtype=np.int32))
    weights = jt.array(np.full(num_images, 1 / num_images, np.float32))
    return kernels.soft_cross_entropy(logits, targets, rows, rows, weights, 1.0)


def binary_loss(logits: jt.Var, targets: jt.Var) -> jt.Var:
    """Binary cross-entropy of a sigmoid per class, in nats, averaged over images and classes.

    Args:
        logits: (B, K) float32.
        targets: (B, K) float32 in 0..1; carries no gradient.

    Returns:
        (1,) float32.

    Raises:
        ValueError: the shapes disagree.
    """
    _check_shapes(logits, targets)
    # log(1 + exp(x)) - x y, with max(0, x) taken out of the logarithm so that exp cannot overflow.
    larger = jt.maximum(logits, 0.0).stop_grad()
    log_sum = larger + jt.log(jt.exp(-larger) + jt.exp(logits - larger))
    return (log_sum - logits * targets).mean()


def _check_shapes(logits: jt.Var, targets: jt.Var) -> None:
    if tuple(logits.shape) != tuple(targets.shape):
        raise ValueError(f"logits {tuple(logits.shape)}, targets {tuple(targets.shape)}; expected one shape")
