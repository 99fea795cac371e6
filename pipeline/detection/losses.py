"""Losses of boxes and masks in plain Jittor, finite for every finite input, even an empty one."""

import jittor as jt
import numpy as np

_MIN_AREA = 1e-6  # square pixels: lower bound of an area in a denominator


def giou_loss(boxes: jt.Var, targets: jt.Var) -> jt.Var:
    """1 - generalised IoU of pairs of boxes.

    Args:
        boxes: (n, 4) float32.
        targets: (n, 4) float32.

    Returns:
        (n,) float32 in [0, 2]: 0 for equal boxes, increasing to 2 with their distance.

    Source:
        Generalized Intersection over Union (Rezatofighi et al. 2019), algorithm 1.
    """
    common = _area(jt.minimum(boxes[:, 2:], targets[:, 2:]) - jt.maximum(boxes[:, :2], targets[:, :2]))
    union = _area(boxes[:, 2:] - boxes[:, :2]) + _area(targets[:, 2:] - targets[:, :2]) - common
    hull = _area(jt.maximum(boxes[:, 2:], targets[:, 2:]) - jt.minimum(boxes[:, :2], targets[:, :2]))
    union, hull = jt.maximum(union, _MIN_AREA), jt.maximum(hull, _MIN_AREA)
    return 1 - common / union + (hull - union) / hull


def _area(sides: jt.Var) -> jt.Var:
    """Areas (n,) from sides (n, 2); 0 if a side is negative."""
    sides = jt.maximum(sides, 0.0)
    return sides[:, 0] * sides[:, 1]


def smooth_l1(x: jt.Var, target: jt.Var, beta: float) -> jt.Var:
    """Elementwise d - beta / 2 with d = |x - target|, and d^2 / (2 beta) where d is below beta."""
    distance = jt.abs(x - target)
    return jt.where(distance < beta, 0.5 / beta * distance * distance, distance - 0.5 * beta)


def binary_cross_entropy(logits: jt.Var, targets: jt.Var) -> jt.Var:
    """Elementwise cross-entropy of sigmoid(logits) with targets in [0, 1], in nats."""
    # Written by cases: at 0 the gradients of maximum and abs are arbitrary, and would not add up to 1/2.
    positive = logits > 0
    softplus = jt.where(positive, logits, 0.0) + jt.log(1 + jt.exp(jt.where(positive, -logits, logits)))
    return softplus - logits * targets


def cross_entropy(logits: jt.Var, labels: np.ndarray, count: float | None = None) -> jt.Var:
    """Mean over the n rows of -log softmax(logits)[label], in nats; 0 for n = 0.

    Args:
        logits: (n, K) float32.
        labels: (n,) integers in 0..K-1.
        count: divides the sum over rows; None: n.
    """
    num_rows, num_classes = logits.shape
    chosen = jt.array(np.asarray(labels)[:, None] == np.arange(num_classes)[None]).float32()
    # The largest logit cancels out of the loss, and so does its gradient.
    shifted = logits - logits.max(dim=1, keepdims=True).stop_grad()
    rows = jt.log(jt.exp(shifted).sum(dim=1)) - (shifted * chosen).sum(dim=1)
    return rows.sum() / (count or max(num_rows, 1))
